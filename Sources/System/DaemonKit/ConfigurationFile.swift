import FFSModel
import SystemSupport

/// The text of a configuration file, nil when there is none; `configuration` failures for the rest.
package func readConfigurationFile(_ path: String) throws -> String? {
    var bytes: [UInt8] = []
    do throws(SystemError) {
        // Not by offsets: `--config <(…)` is a pipe.
        let file = try Descriptor.open(CPath(path), .read)
        var more: [UInt8]
        repeat {
            more = try file.readNext(65_536)
            bytes += more
        } while !more.isEmpty && bytes.count <= 1 << 20
    } catch {
        if error.errno == .noEntry { return nil }
        throw Failure(.configuration, "cannot read \(path): \(error.errno)")
    }
    guard bytes.count <= 1 << 20 else {
        throw Failure(.configuration, "\(path) is over 1 MiB, which is no configuration file")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw Failure(.configuration, "\(path) is not UTF-8 text")
    }
    return text
}
