import GRDB

/// The log database's tables. A migration is never edited after its release; the next one is appended.
enum LogSchema {
    /// `PRAGMA application_id`, "FFSl".
    static let applicationID: Int32 = 0x4646_536C

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 events, tree, checkpoints, ledgers") { db in
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: tables1)
        }
        return migrator
    }

    /// Times of events are nanoseconds since 1970 UTC, all others seconds. All columns of an event but the last four follow
    /// from its record; `ffsctl log verify` compares them.
    private static let tables1 = """
        CREATE TABLE head (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            origin TEXT NOT NULL,
            size INTEGER NOT NULL CHECK (size >= 0),
            -- The ledgers have been told of all leaves before this one.
            posted INTEGER NOT NULL DEFAULT 0
        ) STRICT;

        CREATE TABLE producers (
            id INTEGER PRIMARY KEY,
            node TEXT NOT NULL,
            incarnation BLOB NOT NULL,
            segment BLOB NOT NULL,
            stream TEXT NOT NULL,
            mark INTEGER NOT NULL,
            hash BLOB NOT NULL,
            -- Nothing more will come.
            ended INTEGER NOT NULL DEFAULT 0,
            arrived INTEGER NOT NULL,
            UNIQUE (node, incarnation, segment)
        ) STRICT;

        CREATE TABLE customers (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            name BLOB NOT NULL UNIQUE
        ) STRICT;

        CREATE TABLE events (
            leaf INTEGER PRIMARY KEY,
            producer INTEGER NOT NULL REFERENCES producers (id),
            number INTEGER NOT NULL,
            type TEXT NOT NULL,
            event BLOB NOT NULL UNIQUE,
            time INTEGER NOT NULL,
            arrived INTEGER NOT NULL,
            trace BLOB,
            customer INTEGER,
            retailer TEXT,
            product TEXT,
            version TEXT,
            content BLOB,
            host TEXT NOT NULL,
            account TEXT,
            order_number INTEGER,
            path BLOB,
            first INTEGER,
            beyond INTEGER,
            size INTEGER,
            outcome TEXT,
            commitment BLOB NOT NULL,
            -- Dropped by retention, both.
            salt BLOB,
            record BLOB
        ) STRICT;
        CREATE INDEX events_by_customer ON events (customer) WHERE customer IS NOT NULL;
        CREATE INDEX events_by_retailer ON events (retailer) WHERE retailer IS NOT NULL;
        CREATE INDEX events_by_product ON events (product, version) WHERE product IS NOT NULL;
        CREATE INDEX events_by_content ON events (content) WHERE content IS NOT NULL;
        CREATE INDEX events_by_host ON events (host);
        CREATE INDEX events_by_trace ON events (trace) WHERE trace IS NOT NULL;
        CREATE INDEX events_by_order ON events (order_number) WHERE order_number IS NOT NULL;
        CREATE INDEX events_by_time ON events (time);
        CREATE INDEX events_by_type ON events (type);

        CREATE TABLE persons (
            leaf INTEGER PRIMARY KEY,
            salt BLOB NOT NULL,
            part BLOB NOT NULL
        ) STRICT;

        -- place = level << 56 | number; 32 bytes a hash, at most 256.
        CREATE TABLE tiles (place INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;

        CREATE TABLE checkpoints (
            origin TEXT NOT NULL,
            size INTEGER NOT NULL,
            root BLOB NOT NULL,
            -- NULL: about to be signed.
            note BLOB,
            signed INTEGER NOT NULL,
            PRIMARY KEY (origin, size)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE witnesses (
            name TEXT NOT NULL PRIMARY KEY,
            key TEXT NOT NULL,
            registered INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE cosignatures (
            origin TEXT NOT NULL,
            size INTEGER NOT NULL,
            witness TEXT NOT NULL,
            line BLOB NOT NULL,
            PRIMARY KEY (origin, size, witness)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE dead_letters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            producer INTEGER NOT NULL REFERENCES producers (id),
            number INTEGER NOT NULL,
            reason TEXT NOT NULL,
            bytes BLOB NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;

        -- What the published versions weigh: how much a delivery must cover.
        CREATE TABLE published (
            content BLOB NOT NULL PRIMARY KEY,
            bytes INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- Which bytes of an order's item have arrived, over all hosts.
        CREATE TABLE coverage (
            order_number INTEGER NOT NULL,
            product TEXT NOT NULL,
            version TEXT NOT NULL,
            path BLOB NOT NULL,
            -- Pairs of big-endian numbers.
            ranges BLOB NOT NULL,
            PRIMARY KEY (order_number, product, version, path)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE deliveries (
            order_number INTEGER NOT NULL,
            product TEXT NOT NULL,
            version TEXT NOT NULL,
            content BLOB,
            customer INTEGER,
            retailer TEXT,
            -- Bytes of all files together.
            covered INTEGER NOT NULL,
            PRIMARY KEY (order_number, product, version)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX deliveries_by_content ON deliveries (content);

        CREATE TABLE charges (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            ledger TEXT NOT NULL CHECK (ledger IN ('service', 'content')),
            order_number INTEGER NOT NULL,
            product TEXT NOT NULL,
            version TEXT NOT NULL,
            customer INTEGER,
            retailer TEXT,
            -- Hundredths of the operator's currency.
            amount INTEGER NOT NULL,
            -- The event that made the charge due.
            leaf INTEGER NOT NULL,
            at INTEGER NOT NULL,
            UNIQUE (order_number, product, version, ledger)
        ) STRICT;
        """
}
