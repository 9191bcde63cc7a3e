package import CoreMetrics
import FFSModel
import Synchronization

/// The swift-metrics backend behind `/metrics`: Prometheus text exposition format, version 0.0.4.
///
/// Handlers are found or made under a lock and then updated with atomics, so a hot path pays one atomic add.
package final class PrometheusRegistry: MetricsFactory, Sendable {
    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    private let series = Mutex<[Key: any PrometheusSeries]>([:])

    package init() {}

    private func find<Series: PrometheusSeries>(
        _ label: String, _ dimensions: [(String, String)], _ make: () -> Series
    ) -> Series {
        let key = Key(name: Self.name(label), labels: Self.labels(dimensions))
        return series.withLock { series in
            // One name has one kind; a second kind under it is the caller's mistake and stays unregistered.
            if let found = series[key] { return found as? Series ?? make() }
            let made = make()
            series[key] = made
            return made
        }
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        find(label, dimensions) { PrometheusCounter() }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        find(label, dimensions) { PrometheusGauge() }
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        if aggregate { return find(label, dimensions) { PrometheusHistogram(scale: 1) } }
        return find(label, dimensions) { PrometheusGauge() }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        find(label, dimensions) { PrometheusHistogram(scale: 1e-9) }
    }

    // Series live as long as the process: a scrape after the last user must still see the count.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// The body of `/metrics`.
    package func exposition() -> String {
        let all = series.withLock { $0 }
        var text = ""
        var previous = ""
        for (key, series) in all.sorted(by: { ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels) }) {
            if key.name != previous {
                if let help = MetricDescriptions.all[key.name] { text += "# HELP \(key.name) \(help)\n" }
                text += "# TYPE \(key.name) \(series.kind)\n"
                previous = key.name
            }
            series.write(name: key.name, labels: key.labels, to: &text)
        }
        return text
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    private static func name(_ label: String) -> String {
        let bytes = label.utf8.map { byte in byte.isASCIILetterOrDigit ? byte : UInt8(ascii: "_") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.map { key, value in
            var escaped: [UInt8] = []
            for byte in value.utf8 {
                switch byte {
                case UInt8(ascii: "\\"), UInt8(ascii: "\""): escaped += [UInt8(ascii: "\\"), byte]
                case UInt8(ascii: "\n"): escaped += "\\n".utf8
                default: escaped.append(byte)
                }
            }
            return "\(name(key))=\"\(String(decoding: escaped, as: UTF8.self))\""
        }.joined(separator: ",")
    }
}

private protocol PrometheusSeries: AnyObject, Sendable {
    var kind: String { get }
    func write(name: String, labels: String, to text: inout String)
}

private func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

private final class PrometheusCounter: CounterHandler, PrometheusSeries {
    private let value = Atomic<Int64>(0)
    var kind: String { "counter" }
    func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { value.store(0, ordering: .relaxed) }
    func write(name: String, labels: String, to text: inout String) {
        text += "\(name)\(braced(labels)) \(value.load(ordering: .relaxed))\n"
    }
}

private final class PrometheusGauge: MeterHandler, RecorderHandler, PrometheusSeries {
    private let value = Mutex<Double>(0)
    var kind: String { "gauge" }
    func set(_ new: Int64) { value.withLock { $0 = Double(new) } }
    func set(_ new: Double) { value.withLock { $0 = new } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ new: Int64) { set(new) }
    func record(_ new: Double) { set(new) }
    func write(name: String, labels: String, to text: inout String) {
        text += "\(name)\(braced(labels)) \(value.withLock { $0 })\n"
    }
}

/// Timers in seconds and aggregating recorders, in buckets of powers of two from 2^-17 (some 8 µs) to 2^6 (64 s).
/// Every series has every bucket, also the empty ones: sums over series and rates need them from the first scrape on.
private final class PrometheusHistogram: TimerHandler, RecorderHandler, PrometheusSeries {
    private static let bounds: [Double] = (0...23).map { Double(1 << $0) / Double(1 << 17) }

    private struct State {
        var buckets = [UInt64](repeating: 0, count: bounds.count + 1)
        var sum = 0.0
        var count: UInt64 = 0
    }

    private let state = Mutex(State())
    private let scale: Double

    init(scale: Double) { self.scale = scale }

    var kind: String { "histogram" }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration)) }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ raw: Double) {
        let value = raw * scale
        let bucket = Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count
        state.withLock {
            $0.buckets[bucket] += 1
            $0.sum += value
            $0.count += 1
        }
    }

    func write(name: String, labels: String, to text: inout String) {
        let state = state.withLock { $0 }
        var running: UInt64 = 0
        let prefix = labels.isEmpty ? "" : labels + ","
        for (index, bound) in Self.bounds.enumerated() {
            running += state.buckets[index]
            text += "\(name)_bucket{\(prefix)le=\"\(bound)\"} \(running)\n"
        }
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(state.count)\n"
        text += "\(name)_sum\(braced(labels)) \(state.sum)\n"
        text += "\(name)_count\(braced(labels)) \(state.count)\n"
    }
}
