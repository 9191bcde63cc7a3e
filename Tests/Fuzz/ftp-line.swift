import FTPProtocol

/// Any bytes, cut in two pieces at every input's own place: the same lines or the same fault as in one piece,
/// and no line holds a control byte that could start another command.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let whole = lines([bytes])
    let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % bytes.count
    let pieces = lines([Array(bytes[..<cut]), Array(bytes[cut...])])
    precondition(whole == pieces, "the cut changes what is understood")
    for line in whole.lines {
        precondition(!line.contains(0) && !line.contains(0x0A) && !line.contains(0x0D))
        _ = try? Command(line: line)
    }
    return 0
}

private struct Understood: Equatable {
    var lines: [[UInt8]] = []
    var fault: CommandFramer.Fault?
}

private func lines(_ pieces: [[UInt8]]) -> Understood {
    var framer = CommandFramer()
    var understood = Understood()
    do throws(CommandFramer.Fault) {
        for piece in pieces {
            framer.append(piece)
            while let line = try framer.next() { understood.lines.append(line) }
        }
    } catch { understood.fault = error }
    return understood
}
