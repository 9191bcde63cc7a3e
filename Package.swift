// swift-tools-version: 6.2
// The layers, top to bottom: Daemons → Services → Clients → System → Protocols → Model → C.
// Imports run strictly downward and a service never imports another service;
// Tests/Project checks both.

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let ordered = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let heaps = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHPACK = Target.Dependency.product(name: "NIOHPACK", package: "swift-nio-http2")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A library of one layer: `Sources/<layer>/<name>`.
func library(
    _ layer: String, _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)", resources: resources,
        swiftSettings: strict)
}

/// A program: one thin `@main` file in `Sources/Daemons/<name>`.
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Sources/Daemons/\(name)", swiftSettings: strict)
}

/// Tests of one module, in the folder that mirrors its sources: `Tests/<layer>/<name>Tests`.
func tests(
    _ layer: String, _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [],
    resources: [Resource] = []
) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(layer)/\(name)Tests", exclude: exclude,
        resources: resources, swiftSettings: strict)
}

/// A program that measures: `Benchmarks/<name>`, run as `bench-<name>`; never installed. What is not Swift (floors in C,
/// scripts) lies beside it.
func benchmark(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .executableTarget(
        name: "bench-\(name)", dependencies: dependencies, path: "Benchmarks/\(name)", exclude: exclude,
        swiftSettings: strict)
}

let package = Package(
    name: "ffs",
    products: [
        .executable(name: "ffswebd", targets: ["ffswebd"]),
        .executable(name: "ffsauthd", targets: ["ffsauthd"]),
        .executable(name: "ffspiped", targets: ["ffspiped"]),
        .executable(name: "ffsstaged", targets: ["ffsstaged"]),
        .executable(name: "ffsftpd", targets: ["ffsftpd"]),
        .executable(name: "ffsctl", targets: ["ffsctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // C: what Swift cannot call, and the system's libraries.
        .systemLibrary(
            name: "COpenSSL", path: "Sources/C/COpenSSL", pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCrypt", path: "Sources/C/CCrypt", providers: [.apt(["libcrypt-dev"])]),
        .systemLibrary(
            name: "CZlib", path: "Sources/C/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CLinux", path: "Sources/C/CLinux"),

        // Model: values everyone speaks of.
        library("Model", "FFSModel"),
        library("Model", "ConfigurationSchema", ["FFSModel"]),

        // Protocols: bytes in, values out. Purity exceptions: Commlink needs AES-GCM, X25519 and SHA-256
        // (Crypto) and DES (COpenSSL); StoredFormats and Pipeline need SHA-256, Transparency that and Ed25519 (Crypto); Sealing needs X25519,
        // ChaCha20-Poly1305 and HKDF (Crypto) and numbers modulo a prime (COpenSSL).
        library("Protocols", "Tobj", ["FFSModel"]),
        library("Protocols", "ChangeFeed", ["FFSModel"]),
        library("Protocols", "Requests", ["FFSModel", "Tobj", "ChangeFeed", "Transparency"]),
        library("Protocols", "Commlink", ["FFSModel", "COpenSSL", crypto]),
        library("Protocols", "StoredFormats", ["FFSModel", "Tobj", crypto]),
        library("Protocols", "FTPProtocol", ["FFSModel"]),
        library("Protocols", "HTTPDownload", ["FFSModel"]),
        library("Protocols", "Events", ["FFSModel"]),
        library("Protocols", "Pipeline", ["FFSModel", "Events", crypto]),
        library("Protocols", "Transparency", ["FFSModel", "Events", crypto]),
        library("Protocols", "Sealing", ["FFSModel", "COpenSSL", crypto]),

        // System: descriptors, system calls, TLS, the link's transport, the daemons' skeleton.
        library("System", "SystemSupport", ["FFSModel", "CLinux", deque]),
        library("System", "Compression", ["CZlib"]),
        library("System", "TLSEngine", ["SystemSupport", "COpenSSL", nioCore]),
        library(
            "System", "CommlinkTransport",
            [
                "FFSModel", "Tobj", "Requests", "Commlink", "SystemSupport", nioCore, nioPosix, logging, metrics,
                crypto,
                deque, ordered,
            ]),
        library(
            "System", "DaemonKit",
            [
                "FFSModel", "ConfigurationSchema", "Tobj", "Requests", "Commlink", "SystemSupport", "CommlinkTransport",
                argumentParser, lifecycle, logging, metrics, coreMetrics, unixSignals, nioCore, nioPosix, nioHTTP1,
                yams,
            ]),
        library("System", "Journal", ["FFSModel", "ConfigurationSchema", "Events", "SystemSupport"]),
        library("System", "Databases", ["FFSModel", "SystemSupport", grdb]),
        library("System", "Repository", ["FFSModel", "StoredFormats", "SystemSupport", logging, crypto]),

        // Clients: a typed client of each service.
        library("Clients", "Clients", ["FFSModel", "Requests", "Transparency", crypto]),

        // Services: what each daemon does. A service imports no other service.
        library(
            "Services", "AuthService",
            [
                "FFSModel", "ConfigurationSchema", "Tobj", "Requests", "ChangeFeed", "Events", "CommlinkTransport",
                "DaemonKit", "Databases", "SystemSupport",
                "CCrypt", deque, grdb, logging, metrics, lifecycle, crypto,
            ]),
        library(
            "Services", "StagingService",
            [
                "FFSModel", "ConfigurationSchema", "Tobj", "Requests", "StoredFormats", "ChangeFeed", "Events",
                "CommlinkTransport", "DaemonKit", "Journal", "Clients", "SystemSupport", "Repository", logging, metrics,
                lifecycle, crypto, deque, heaps,
            ]),
        library(
            "Services", "FTPService",
            [
                "FFSModel", "ConfigurationSchema", "Tobj", "Requests", "StoredFormats", "FTPProtocol", "HTTPDownload",
                "Events", "Journal", "Commlink", "CommlinkTransport", "Clients", "TLSEngine", "SystemSupport",
                "Compression", "DaemonKit", logging, metrics, lifecycle, nioCore, nioPosix, nioHTTP2,
                nioHPACK, crypto,
            ]),
        library(
            "Services", "PipelineService",
            [
                "FFSModel", "ConfigurationSchema", "Events", "Pipeline", "Transparency", "Requests",
                "CommlinkTransport",
                "Compression", "Databases", "DaemonKit", "Journal", "SystemSupport", grdb, logging, metrics, lifecycle,
            ]),
        library(
            "Services", "WebFront",
            [
                "FFSModel", "ConfigurationSchema", "Tobj", "Requests", "StoredFormats", "HTTPDownload",
                "CommlinkTransport", "Clients", "DaemonKit", "SystemSupport", "TLSEngine", logging,
                metrics, lifecycle, crypto, nioCore, nioHTTP1, nioPosix,
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Mustache", package: "swift-mustache"),
            ],
            // Compiled in: an installed ffswebd reads no files but its configuration, keys and certificate.
            resources: [.embedInCode("Assets"), .embedInCode("Templates")]),

        // Daemons and the operators' command.
        program("ffswebd", ["WebFront", "DaemonKit", argumentParser]),
        program("ffsauthd", ["AuthService", "DaemonKit", argumentParser]),
        program("ffspiped", ["PipelineService", "DaemonKit", argumentParser]),
        program("ffsstaged", ["StagingService", "DaemonKit", argumentParser]),
        program("ffsftpd", ["FTPService", "DaemonKit", argumentParser]),
        program(
            "ffsctl",
            [
                "FFSModel", "ConfigurationSchema", "Tobj", "Requests", "ChangeFeed", "Events", "Pipeline",
                "Transparency",
                "Commlink", "CommlinkTransport",
                "StoredFormats", "Repository", "Clients", "StagingService", "DaemonKit", "SystemSupport", "TLSEngine",
                argumentParser, logging,
                subprocess,
            ]),

        // Benchmarks: programs here rather than a package of their own, since `package` does not cross packages.
        benchmark(
            "commlink", ["Commlink", "CommlinkTransport", "Requests", "Tobj", "FFSModel", "SystemSupport", logging]),
        benchmark(
            "staging",
            [
                "FFSModel", "Requests", "Commlink", "CommlinkTransport", "Clients", "Repository",
                "StagingService",
                "StoredFormats", "SystemSupport", argumentParser, logging,
            ], exclude: ["stage.c"]),
        benchmark(
            "log",
            ["FFSModel", "Events", "Pipeline", "PipelineService", "SystemSupport", argumentParser, logging]),
        benchmark("journal", ["FFSModel", "Events", "Journal", "SystemSupport", argumentParser]),
        benchmark(
            "growth",
            [
                "FFSModel", "Tobj", "Requests", "Clients", "AuthService", "Repository", "StagingService",
                "SystemSupport", argumentParser, logging,
            ], exclude: ["plot.py"]),

        benchmark(
            "feed",
            [
                "AuthService", "WebFront", "Clients", "ChangeFeed", "Requests", "Tobj", "Commlink", "CommlinkTransport",
                "FFSModel", "SystemSupport", grdb, logging,
            ]),

        // Tests: the same shape, and Integration, which starts the real programs.
        .target(
            name: "TestSupport", dependencies: ["FFSModel", "SystemSupport", subprocess], path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("Project", "Project", ["TestSupport", "ConfigurationSchema"]),
        tests("Model", "FFSModel", ["FFSModel"]),
        tests("Model", "ConfigurationSchema", ["ConfigurationSchema"]),
        tests("Protocols", "Tobj", ["Tobj", "FFSModel"]),
        tests("Protocols", "ChangeFeed", ["ChangeFeed", "FFSModel"]),
        tests("Protocols", "Requests", ["Requests", "Tobj", "ChangeFeed", "FFSModel", "TestSupport"]),
        tests("Protocols", "Commlink", ["Commlink", "FFSModel", "TestSupport", crypto], resources: [.copy("Vectors")]),
        tests("Protocols", "StoredFormats", ["StoredFormats", "FFSModel", "Tobj"]),
        tests("Protocols", "FTPProtocol", ["FTPProtocol", "FFSModel", "TestSupport"]),
        tests("Protocols", "Sealing", ["Sealing", "FFSModel", "TestSupport"]),
        tests("Protocols", "Events", ["Events", "FFSModel"]),
        tests("Protocols", "Pipeline", ["Pipeline", "Events", "FFSModel", crypto]),
        tests("Protocols", "Transparency", ["Transparency", "Events", "FFSModel"]),
        tests("Protocols", "HTTPDownload", ["HTTPDownload", "FFSModel"]),
        // Gives its rights up and tries what is forbidden then, for SandboxTests.
        .executableTarget(
            name: "sandbox-probe", dependencies: ["SystemSupport"], path: "Tests/System/SandboxProbe",
            swiftSettings: strict),
        tests("System", "SystemSupport", ["SystemSupport", "FFSModel", "TestSupport", "sandbox-probe"]),
        tests("System", "Compression", ["Compression", "CZlib"]),
        tests("System", "TLSEngine", ["TLSEngine", "SystemSupport", nioCore, nioEmbedded]),
        tests(
            "System", "CommlinkTransport",
            [
                "CommlinkTransport", "Commlink", "ChangeFeed", "Requests", "Tobj", "FFSModel", "TestSupport", nioCore,
                nioPosix, logging,
            ]),
        tests(
            "System", "DaemonKit",
            [
                "DaemonKit", "ConfigurationSchema", "SystemSupport", "FFSModel", logging, coreMetrics, nioCore,
                nioPosix,
            ]),
        tests("System", "Journal", ["Journal", "Events", "SystemSupport", "FFSModel", "TestSupport"]),
        tests("System", "Databases", ["Databases", "SystemSupport", "FFSModel", "TestSupport", grdb]),
        tests("System", "Repository", ["Repository", "StoredFormats", "SystemSupport", "FFSModel", "TestSupport"]),
        tests(
            "Services", "AuthService",
            [
                "AuthService", "Clients", "Requests", "ChangeFeed", "Events", "Tobj", "SystemSupport", "FFSModel",
                "TestSupport", grdb,
                logging,
            ],
            resources: [.copy("Support/schema-1.sql")]),
        tests(
            "Services", "StagingService",
            [
                "StagingService", "Repository", "StoredFormats", "Requests", "ChangeFeed", "Events", "Clients",
                "Journal", "SystemSupport", "Tobj", "FFSModel", "DaemonKit", "ConfigurationSchema", "TestSupport",
                logging,
            ]),
        tests(
            "Services", "FTPService",
            [
                "FTPService", "FTPProtocol", "Events", "Journal", "StoredFormats", "SystemSupport", "TLSEngine",
                "TestSupport",
                "FFSModel", "ConfigurationSchema", "Clients", "Requests", "Tobj", logging,
            ]),
        tests(
            "Services", "PipelineService",
            [
                "PipelineService", "Journal", "Compression", "Clients", "Requests", "Tobj", "Pipeline", "Events",
                "Transparency", "SystemSupport",
                "FFSModel", "TestSupport", grdb,
                logging,
            ], exclude: ["verify.py"]),
        tests(
            "Services", "WebFront",
            [
                "WebFront", "Clients", "ConfigurationSchema", "Requests", "ChangeFeed", "Tobj", "FFSModel",
                "TestSupport", logging,
            ]),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "TestSupport", "FFSModel", "Tobj", "Requests", "ChangeFeed", "Commlink", "CommlinkTransport", "Clients",
                "StoredFormats", "Events", "Journal", "Transparency", "SystemSupport", "ffswebd", "ffsauthd",
                "ffspiped", "ffsstaged",
                "ffsftpd", "ffsctl", logging,
            ],
            path: "Tests/Integration", exclude: ["Clients"], swiftSettings: strict),
        .testTarget(
            name: "HostTests",
            dependencies: ["TestSupport", "ffswebd", "ffsauthd", "ffspiped", "ffsstaged", "ffsftpd", "ffsctl"],
            path: "Tests/Hosts", exclude: ["lib.sh", "one-host.sh", "three-hosts.sh", "without-systemd.sh"],
            swiftSettings: strict),
    ]
)
