import Events
import FFSModel
import StoredFormats

/// Whose content the files of an account are, in the words of its record: made once, for thousands of events.
struct AccountSubjects {
    private let whole: EventSubject
    private let parts: [(folder: [UInt8], subject: EventSubject)]

    init(_ record: AccountRecord) {
        var base = EventSubject(
            customer: Array(record.customer.description.utf8), account: Array(record.account.text.utf8))
        if record.order > 0 { base.order = UInt64(record.order) }
        if let origin = record.origin {
            base.trace = origin.trace
            base.retailer = origin.retailer.map { Array($0.description.utf8) }
            base.level = UInt64(origin.level)
        }
        parts = record.items.map { item in
            var subject = base
            subject.product = Array(item.product.description.utf8)
            subject.version = Array(item.version.description.utf8)
            subject.content = record.origin?.manifests[item]
            return (Array(item.folder.utf8), subject)
        }
        // What is not in a version's folder belongs to the only one there is.
        whole = parts.count == 1 ? parts[0].subject : base
    }

    func subject(of path: VirtualPath?) -> EventSubject {
        guard parts.count > 1, let path else { return whole }
        let folder = path.relative.prefix { $0 != UInt8(ascii: "/") }
        return parts.first { $0.folder.elementsEqual(folder) }?.subject ?? whole
    }
}
