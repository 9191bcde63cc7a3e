import FFSModel
import Glibc

/// The text of a configuration file, nil when there is none; `configuration` failures for the rest.
package func readConfigurationFile(_ path: String) throws -> String? {
    guard let file = fopen(path, "re") else {
        if errno == ENOENT { return nil }
        throw Failure(.configuration, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
        bytes += buffer[..<count]
        guard bytes.count <= 1 << 20 else {
            throw Failure(.configuration, "\(path) is over 1 MiB, which is no configuration file")
        }
    }
    guard ferror(file) == 0 else {
        throw Failure(.configuration, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw Failure(.configuration, "\(path) is not UTF-8 text")
    }
    return text
}
