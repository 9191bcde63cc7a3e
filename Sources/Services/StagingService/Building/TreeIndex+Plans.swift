import FFSModel
import StoredFormats

extension TreeIndex {
    /// Trees with fewer files do without: looking at those is as quick, and small accounts are many.
    static let leastFiles = 256

    fileprivate static let empty = ContentDigest.sha256(of: [])

    /// The index of the tree that is built from `plans`; nil where none is worth it.
    static func render(_ plans: [ContentPlan]) -> [UInt8]? {
        let files = plans.reduce(0) { $0 + $1.fileCount }
        guard files >= leastFiles else { return nil }
        var builder = Builder(reserving: files * 80)
        for name in (plans.map(\.item.folder) + [AccountArea.sums]).sorted(by: {
            $0.utf8.lexicographicallyPrecedes($1.utf8)
        }) {
            // What was made for this account has a time of its own.
            builder.add(Array(name.utf8), isFolder: name != AccountArea.sums)
        }
        builder.endFolder([])
        for plan in plans { builder.add(plan) }
        return builder.serialized()
    }
}

extension TreeIndex.Builder {
    fileprivate mutating func add(_ name: [UInt8], isFolder: Bool) {
        name.withUnsafeBufferPointer { add(name: $0, isFolder: isFolder, size: 0, modified: nil, digest: nil) }
    }

    fileprivate mutating func add(_ plan: ContentPlan) {
        let slash = UInt8(ascii: "/")
        let paths = plan.folders.map { Array(bytes(of: plan.strings[$0.path])) }
        var children: [ArraySlice<UInt8>: [[UInt8]]] = [:]
        for path in paths.dropFirst() {
            let (parent, name) = Self.split(path)
            children[parent, default: []].append(Array(name))
        }
        let top = Array(plan.item.folder.utf8)
        for (folder, path) in zip(plan.folders, paths) {
            // Files are in order; folders come between them.
            let sorted = (children[path[...]] ?? []).sorted { $0.lexicographicallyPrecedes($1) }
            var inner = sorted[...]
            for file in plan.files[folder.files] {
                let name = bytes(of: plan.strings[Int(file.name)])
                while let next = inner.first, next.lexicographicallyPrecedes(name) {
                    add(next, isFolder: true)
                    inner = inner.dropFirst()
                }
                add(file, name, plan.objects)
            }
            for name in inner { add(name, isFolder: true) }
            endFolder(path.isEmpty ? top : top + [slash] + path)
        }
    }

    /// A path's folder and its last component.
    private static func split(_ path: [UInt8]) -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return ([], path[...]) }
        return (path[..<slash], path[(slash + 1)...])
    }

    private mutating func add(_ file: ContentPlan.File, _ name: UnsafeBufferPointer<UInt8>, _ objects: ObjectSlots) {
        guard file.object >= 0 else {
            // Made for this account.
            return add(name: name, isFolder: false, size: 0, modified: nil, digest: TreeIndex.empty)
        }
        let object = Int(file.object)
        add(
            name: name, isFolder: false, size: objects.sizes[object], modified: objects.modified[object],
            digest: objects.digests[object])
    }

    private func bytes(of text: UnsafePointer<CChar>) -> UnsafeBufferPointer<UInt8> {
        var count = 0
        while text[count] != 0 { count += 1 }
        return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: count)
    }
}
