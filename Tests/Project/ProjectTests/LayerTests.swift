import Testing
import TestSupport

/// The rule that ARCHITECTURE.md states: imports run downward, a service never imports another service, and what
/// is pure stays pure.
struct LayerTests {
    /// From the bottom; the folders of Sources.
    static let layers = ["C", "Model", "Protocols", "System", "Clients", "Services", "Daemons"]

    /// Module → place of its layer.
    static let layerOfModule: [String: Int] = Dictionary(
        uniqueKeysWithValues: layers.enumerated().flatMap { place, layer in
            ((try? Files.names(in: "\(Project.root)/Sources/\(layer)")) ?? []).map { ($0, place) }
        })

    /// What Model and Protocols must not touch: the world.
    static let impure = ["NIO", "Foundation", "Glibc", "GRDB", "Dispatch", "Crypto", "C"]

    /// The exceptions, as Package.swift gives them.
    static let purityExceptions: [String: Set<String>] = [
        "Commlink": ["Crypto", "COpenSSL"],
        "StoredFormats": ["Crypto"],
        "Pipeline": ["Crypto"],
        "Transparency": ["Crypto"],
        "Sealing": ["Crypto", "COpenSSL"],
    ]

    /// Who may call the C targets.
    static let callersOfC: [String: Set<String>] = [
        "CLinux": ["SystemSupport"],
        "COpenSSL": ["TLSEngine", "Commlink", "Sealing"],
        "CCrypt": ["AuthService"],
        "CZlib": ["Compression"],
    ]

    static let withoutFoundation: Set<String> = ["SystemSupport", "Repository", "FTPService"]

    @Test func everySourceFileLiesInALayer() {
        #expect(SourceTree.sources.count > 50)
        for file in SourceTree.sources {
            #expect(Self.layers.contains(String(file.components[1])), "\(file.path): Sources has the layers alone")
        }
    }

    @Test func importsRunDownward() throws {
        for file in SourceTree.sources {
            let layer = try #require(Self.layers.firstIndex(of: String(file.components[1])))
            let module = String(file.components[2])
            for imported in file.imports where imported != module {
                guard let below = Self.layerOfModule[imported] else { continue }
                #expect(below <= layer, "\(file.path) imports \(imported), of a higher layer")
                if ["Services", "Clients", "Daemons"].contains(Self.layers[layer]) {
                    #expect(below < layer, "\(file.path) imports \(imported), its own layer's neighbour")
                }
            }
        }
    }

    @Test func modelAndProtocolsArePure() {
        for file in SourceTree.sources where ["Model", "Protocols"].contains(file.components[1]) {
            let allowed = Self.purityExceptions[String(file.components[2])] ?? []
            for imported in file.imports.subtracting(allowed) where ![1, 2].contains(Self.layerOfModule[imported]) {
                let world = Self.impure.contains { imported.hasPrefix($0) }
                #expect(!world, "\(file.path) imports \(imported); Model and Protocols are bytes in, values out")
            }
        }
    }

    @Test func onlyTheNamedModulesCallC() {
        for file in SourceTree.sources {
            let module = String(file.components[2])
            for (target, callers) in Self.callersOfC where file.imports.contains(target) {
                #expect(callers.contains(module), "\(file.path) imports \(target), which is for \(callers.sorted())")
            }
        }
    }

    /// System calls live in SystemSupport: what is not called elsewhere need not be audited elsewhere.
    @Test func systemSupportAloneCallsTheSystem() {
        for file in SourceTree.sources where file.components[2] != "SystemSupport" {
            let libraries = file.imports.intersection(["Glibc", "Musl", "Darwin", "SystemPackage"])
            #expect(libraries.isEmpty, "\(file.path) imports \(libraries.sorted()); give SystemSupport what it needs")
        }
    }

    @Test func foundationStaysOutOfTheDataPath() {
        for file in SourceTree.sources where Self.withoutFoundation.contains(String(file.components[2])) {
            let foundation = file.imports.filter { $0.hasPrefix("Foundation") }
            #expect(foundation.isEmpty, "\(file.path) imports \(foundation)")
        }
    }

    /// A daemon's own file is its `@main` and no more.
    @Test func daemonsAreThin() {
        for file in SourceTree.sources where file.components[1] == "Daemons" && file.components[2] != "ffsctl" {
            #expect(file.lines.count <= 60, "\(file.path) has \(file.lines.count) lines")
        }
    }

    /// Every module of Model to Services has tests in the folder that mirrors it.
    @Test func testsMirrorSources() throws {
        for layer in ["Model", "Protocols", "System", "Services"] {
            for module in try Files.names(in: "\(Project.root)/Sources/\(layer)") {
                let folder = "\(Project.root)/Tests/\(layer)/\(module)Tests"
                let files = Files.exists(folder) ? try Files.below(folder, suffix: ".swift") : []
                #expect(!files.isEmpty, "\(module) has no tests in Tests/\(layer)/\(module)Tests")
            }
        }
    }
}
