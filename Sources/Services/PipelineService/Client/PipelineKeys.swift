package import FFSModel
package import Pipeline
import Synchronization
import SystemSupport

/// The keys in `pipeline.key-directory`: a storage or web host has its own, the internal host those of all nodes. A file that
/// comes is found at once; one that changes, at a reload.
package final class PipelineKeys: Sendable {
    private let directory: String
    private let known = Mutex<[NodeName: PipelineKey]>([:])

    package init(directory: String) { self.directory = directory }

    /// Throws `denied` with the remedy where there is no key of that node.
    package func key(of node: NodeName) throws(Failure) -> PipelineKey {
        if let key = known.withLock({ $0[node] }) { return key }
        let path = "\(directory)/\(node)"
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try Descriptor.open(CPath(directory), [.read, .directory]).readFile(CPath(node.text), limit: 256)
        } catch { throw error.failure("cannot read the pipeline key \(path)", .configuration) }
        guard let bytes else {
            throw Failure(
                .denied, "there is no pipeline key of node \(node) (\(path)); ffsctl node add makes it",
                cause: "node.name here and the key's name must agree")
        }
        guard let key = PipelineKey(file: bytes) else {
            throw Failure(.configuration, "\(path) is no pipeline key: it has 64 hexadecimal digits; make it again")
        }
        known.withLock { $0[node] = key }
        return key
    }

    package func reload() { known.withLock { $0 = [:] } }
}
