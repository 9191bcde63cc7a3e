import Clients
import CommlinkTransport
import Events
import FFSModel
import Foundation
import Journal
import Requests
import SystemSupport
import TestSupport
import Testing
import Transparency

/// Events on their way over two hosts and the relay, between real programs.
@Suite(.timeLimit(.minutes(8))) struct PipelineTests {
    /// A storage host beside a system, as far as ffspiped is concerned.
    private struct StorageHost {
        let system: System
        let name = "storage-9"

        init(_ system: System) async throws {
            self.system = system
            for (folder, mode, owner) in [
                ("storage", 0o755, "root:root"), ("storage/run", 0o755, "root:root"),
                ("storage/run/ffspiped", 0o755, "ffspipe:ffspipe"), ("storage/state", 0o1770, "root:ffsstate"),
                ("storage/state/pipe", 0o700, "ffspipe:ffspipe"), ("storage/journal", 0o3770, "root:ffs-journal"),
            ] {
                let path = system.directory(folder)
                try Files.makeDirectory(path)
                if System.isRoot { try await command("chown", owner, path).succeeded() }
                try Files.setMode(mode, of: path)
            }
            try Files.write("storage\n", to: system.directory("storage/roles"))
            try Files.write(
                """
                node:
                  name: \(name)
                run:
                  directory: \(system.directory("storage/run"))
                state:
                  directory: \(system.directory("storage/state"))
                commlink:
                  keybag-directory: \(system.keyBags)
                web:
                  relay-base-port: \(system.relayPorts.lowerBound)
                pipeline:
                  relay-host: 127.0.0.1
                  journal-directory: \(journals)
                  key-directory: \(system.directory("etc/ffs/pipeline"))

                """, to: system.directory("storage/ffs.yaml"))
            try await system.ctl("pipeline", "key", name).succeeded()
        }

        var journals: String { system.directory("storage/journal") }

        func start() async throws -> DaemonProcess {
            let process = try await DaemonProcess.start(
                [Project.program("ffspiped"), "--config", system.directory("storage/ffs.yaml")], name: "ffspiped",
                logPath: system.directory("storage/ffspiped.log"))
            try await process.logged(" ready")
            return process
        }
    }

    private func event(_ number: Int) -> Event {
        var event = Event(.contentPublished, time: SystemClock.nanosecondsSince1970())
        event.set(.product, "kit")
        event.set(.version, "\(number)")
        event.set(.content, ContentDigest(words: (0, 0, 0, UInt64(number))))
        return event
    }

    private func log(of system: System) -> LogClient {
        LogClient(ControlClient(path: system.directory("run/ffs/ffspiped/control.sock")))
    }

    private func versions(_ system: System) async throws -> [String] {
        var query = LogList()
        query.kind = "content.published"
        query.limit = 500
        var found: [String] = []
        try await log(of: system).pages(of: query) { rows in
            found += rows.compactMap(\.leaf.columns.version)
            return true
        }
        return found
    }

    /// Seed and count may be set: FFS_FAULT_SEED, FFS_FAULT_EVENTS.
    @Test("a storage host's events reach the log through the relay, each once, while every daemon on the way is killed")
    func everyEventOnceWhileDaemonsAreKilled() async throws {
        let variables = ProcessInfo.processInfo.environment
        let seed = variables["FFS_FAULT_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
        let total = variables["FFS_FAULT_EVENTS"].flatMap { Int($0) } ?? 2_000
        var random = SeededGenerator(state: seed)
        let system = try await System(settings: ["web.relay-address": "127.0.0.1"])
        let host = try await StorageHost(system)
        try await system.start(.ffspiped)
        try await system.start(.ffswebd)
        var client = try await host.start()
        let stream = try JournalStream(
            directory: host.journals, stream: "ffsstaged",
            settings: JournalSettings(segmentSize: 64 * 1_024, reserve: 64 * 1_024))
        let recording = Task {
            let writer = try JournalWriter(segment: stream.create())
            for number in 0..<total {
                try writer.append(event(number).record)
                if writer.wantsRoll { try stream.seal(writer.take(next: stream.create())) }
                if number.isMultiple(of: 20) { try await Task.sleep(for: .milliseconds(50)) }
            }
        }
        for _ in 0..<6 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...900, using: &random)))
            let victim = Int.random(in: 0..<3, using: &random)
            if victim == 2 {
                client.signal(SIGKILL)
                _ = try await client.ended()
                client = try await host.start()
            } else {
                let daemon: System.Daemon = victim == 0 ? .ffspiped : .ffswebd
                try system.process(daemon).signal(SIGKILL)
                _ = try await system.process(daemon).ended()
                try await system.start(daemon)
            }
        }
        try await recording.value
        var found: [String] = []
        for _ in 0..<600 {
            found = try await versions(system)
            if found.count >= total { break }
            try await Task.sleep(for: .milliseconds(200))
        }
        #expect(
            found == (0..<total).map { "\($0)" },
            "seed \(seed): \(found.count) of \(total)\n\(client.log.suffix(3_000))")
        let status = try await system.ctl("pipeline", "status", "--json").succeeded().output
        #expect(!status.contains("storage"))
        _ = try await client.stop()
        try await system.stop()
    }

    private struct SeededGenerator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
            return word ^ word >> 31
        }
    }
}
