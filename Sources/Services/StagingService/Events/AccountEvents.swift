import Events
import FFSModel
import StoredFormats

/// The events that an account's record shows. Their ids and times follow from the record, so that whoever makes one again after
/// a crash makes the same one.
enum AccountEvents {
    /// One event for each item.
    static func staged(_ record: AccountRecord) -> [Event] {
        record.items.map { item in
            var event = event(.accountStaged, record, at: record.created, item.folder)
            set(item, in: &event, record)
            event.set(.expires, seconds(record.expires))
            if record.items.count == 1 {
                event.set(.count, UInt64(record.fileCount))
                event.set(.bytes, UInt64(record.bytes))
            }
            return event
        }
    }

    /// nil when the end was never moved.
    static func extended(_ record: AccountRecord) -> Event? {
        record.extendedAt.map { time in
            var event = whole(.accountExtended, record, at: time)
            event.set(.expires, seconds(record.expires))
            return event
        }
    }

    /// nil while the account was not withdrawn.
    static func revoked(_ record: AccountRecord) -> Event? {
        record.withdrawn.map { time in
            var event = whole(.accountRevoked, record, at: time)
            event.set(.outcome, "\(record.policy)")
            return event
        }
    }

    static func expired(_ record: AccountRecord) -> Event { whole(.accountExpired, record, at: record.expires) }

    private static func whole(_ type: EventType, _ record: AccountRecord, at time: Timestamp) -> Event {
        var event = event(type, record, at: time, "")
        if record.items.count == 1 {
            set(record.items[0], in: &event, record)
        } else {
            event.set(.items, record.items.map { "\($0.product) \($0.version)" }.joined(separator: "\n"))
        }
        return event
    }

    private static func event(
        _ type: EventType, _ record: AccountRecord, at time: Timestamp, _ part: String
    ) -> Event {
        let name = [
            "ffs event 1", type.rawValue, record.account.text, "\(record.created.seconds)", "\(time.seconds)", part,
        ]
        let words = ContentDigest.sha256(of: Array(name.joined(separator: "\n").utf8)).words
        var event = Event(type, id: EventID(high: words.0, low: words.1), time: time.seconds * 1_000_000_000)
        event.set(.account, record.account.text)
        event.set(.customer, record.customer.text)
        event.set(.trace, record.origin?.trace)
        event.set(.retailer, record.origin?.retailer?.text)
        event.set(.level, record.origin.map { UInt64($0.level) })
        if record.order > 0 { event.set(.order, UInt64(record.order)) }
        return event
    }

    private static func set(_ item: Item, in event: inout Event, _ record: AccountRecord) {
        event.set(.product, item.product.text)
        event.set(.version, item.version.text)
        event.set(.content, record.origin?.manifests[item])
    }

    private static func seconds(_ time: Timestamp) -> UInt64 { UInt64(clamping: time.seconds) }
}
