import FFSModel
import FTPProtocol
import Testing

@Suite struct ListingTests {
    private let now = Timestamp(seconds: 1_795_000_000)  // 2026-11-18T10:26:40Z

    private func line(_ entry: ListingEntry, _ style: ListingFormat.Style) -> String {
        var format = ListingFormat(style, now: now)
        var out: [UInt8] = []
        format.append(entry, to: &out)
        return text(out)
    }

    private func entry(
        _ name: String, _ kind: ListingEntry.Kind = .file, size: UInt64 = 1_234, ago: Int64 = 60, mode: UInt16 = 0o644,
        digest: ContentDigest? = nil
    ) -> ListingEntry {
        ListingEntry(
            name: bytes(name), kind: kind, size: size, modified: now + -ago, mode: mode, digest: digest)
    }

    @Test func longLines() {
        #expect(line(entry("a b"), .long) == "-r--r--r--   1 ffs      ffs              1234 Nov 18 \(time) a b\r\n")
        let directory = line(entry("d", .directory, size: 4_096, mode: 0o755), .long)
        #expect(directory.hasPrefix("dr-xr-xr-x   2 ffs      ffs              4096 "))
        #expect(line(entry("old", ago: 400 * 86_400), .long).hasSuffix(" Oct 14  2025 old\r\n"))
        #expect(line(entry("future", ago: -86_400), .long).contains("  2026 future"))
    }

    /// The entry's time of day as LIST shows it, computed another way.
    private var time: String {
        let minutes = (now.seconds - 60) / 60 % 1_440
        let (hour, minute) = (minutes / 60, minutes % 60)
        return (hour < 10 ? "0" : "") + "\(hour):" + (minute < 10 ? "0" : "") + "\(minute)"
    }

    @Test func namesCannotForgeLines() {
        #expect(line(entry("x\r\n-rw-r--r-- 1 0 0 0 evil\u{1B}"), .names) == "x??-rw-r--r-- 1 0 0 0 evil?\r\n")
        let raw = ListingEntry(name: [0xE9, 0x20, 0xFF], kind: .file, size: 0, modified: now, mode: 0o444)
        var format = ListingFormat(.names, now: now)
        var out: [UInt8] = []
        format.append(raw, to: &out)
        #expect(out == [0xE9, 0x20, 0xFF, 0x0D, 0x0A])
    }

    @Test func facts() throws {
        let all = try #require(FactSelection(list: "type;size;modify;perm;unix.mode;media-type;x.hash;"))
        let modified = text(ListingFormat.timeValue(now + -60))
        let digest = try #require(ContentDigest(bytes: [UInt8](repeating: 0xAB, count: 32)))
        #expect(
            line(entry("a.iso", mode: 0o777, digest: digest), .machine(all))
                == "type=file;size=1234;modify=\(modified);perm=r;unix.mode=0555;media-type=application/x-iso9660-image;x.hash=SHA-256:\(String(repeating: "ab", count: 32)); a.iso\r\n"
        )
        #expect(line(entry("d", .directory, mode: 0o755), .machine(.default)).hasPrefix("type=dir;modify="))
        #expect(line(entry("x"), .machine(try #require(FactSelection(list: "")))) == " x\r\n")
        #expect(text(ListingFormat.timeValue(Timestamp(seconds: 0))) == "19700101000000")
        #expect(text(ListingFormat.timeValue(Timestamp(seconds: 951_782_400))) == "20000229000000")
    }

    @Test(arguments: [
        ("*", "anything", true), ("*.iso", "a.iso", true), ("*.iso", "a.is", false), ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false), ("[^a]x", "bx", true), ("[]]x", "]x", true),
        ("[a", "[a", true),
        ("\\*", "*", true), ("\\*", "x", false), ("a*b*c", "a1b2b3c", true), ("a*b*c", "a1b2b3", false), ("", "", true),
        ("**", "", true), ("?", "", false), ("[z-a]", "z", false),
    ])
    func globs(pattern: String, name: String, matches: Bool) {
        #expect(Glob(bytes(pattern)[...]).matches(bytes(name)) == matches)
    }

    @Test func noPatternTakesLong() {
        let pattern = bytes(String(repeating: "a*", count: 1_000) + "b")
        let name = bytes(String(repeating: "a", count: 255))
        let start = ContinuousClock.now
        #expect(!Glob(pattern[...]).matches(name))
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    @Test func crc32() {
        var crc = CRC32()
        bytes("123456789").withUnsafeBytes { crc.update($0) }
        #expect(crc.value == 0xCBF4_3926)
    }
}
