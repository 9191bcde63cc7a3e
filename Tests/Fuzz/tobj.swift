import FFSModel
import Tobj

/// Any bytes: parse or throw. What parses must serialize to a canonical form that parses to the same value.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let element = try? parseTobj(bytes) else { return 0 }
    let canonical = element.serialized()
    precondition(canonical.allSatisfy { (0x20...0x7E).contains($0) }, "the canonical form is not 7-bit")
    guard let again = try? parseTobj(canonical) else { fatalError("the canonical form does not parse") }
    precondition(again == element, "the canonical form means something else")
    precondition(again.serialized() == canonical, "the canonical form is not canonical")
    if let document = try? Document(element) {
        precondition((try? Document(bytes: document.serialized()))?.id == document.id)
    }
    return 0
}
