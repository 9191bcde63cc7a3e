import Testing

/// FFS_ROW, by which a developer runs a row alone.
@Suite struct RowTests {
    @Test func aNameChoosesItsRow() {
        let rows = FTPBehaviourTests.rows
        #expect(Row.chosen("mode_z", of: rows).map(\.name) == ["mode_z"])
        #expect(Row.chosen("digests,mode_z", of: rows).map(\.name) == ["mode_z", "digests"])
        // Another suite's.
        #expect(Row.chosen("aborts", of: rows).isEmpty)
    }

    @Test(arguments: ["mode_q", "mode_z,mode_q", "", " mode_z"])
    func aNameThatIsNoneFails(wanted: String) async {
        let chosen = Row.chosen(wanted, of: FTPBehaviourTests.rows)
        #expect(chosen.contains { $0.isUnknown })
        await withKnownIssue { for row in chosen where row.isUnknown { await row.play { _ in } } }
    }
}
