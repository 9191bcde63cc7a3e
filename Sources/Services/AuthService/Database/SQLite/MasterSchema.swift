import GRDB

/// The master database's tables, a migration for each released change. A migration is never edited after its
/// release; the next one is appended.
enum MasterSchema {
    /// `PRAGMA application_id`, "FFSm": tells the file from any other SQLite database.
    static let applicationID: Int32 = 0x4646_536D

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 customers, products, entitlements, orders, nodes, change feed") { db in
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: tables1)
            try db.execute(sql: ChangeFeed.triggers1)
        }
        migrator.registerMigration("2 entitlements of a product in order") { db in
            // Pages of one product's grants come in the order of their numbers, which every index ends with.
            try db.execute(sql: "CREATE INDEX entitlements_of_product ON entitlements (product)")
        }
        migrator.registerMigration("3 sign-ins' generation") { try $0.execute(sql: generation3) }
        migrator.registerMigration("4 change feed with nonces, outbox") { db in
            try db.execute(sql: ChangeFeed.migration4)
            try db.execute(sql: outbox4)
        }
        return migrator
    }

    /// A session carries the generation that its sign-in met. Triggers draw the next one, so that raw SQL ends sessions, too;
    /// random, so that a row made anew under an old name does not take up an old session.
    private static let generation3 = """
        ALTER TABLE customers ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
        UPDATE customers SET generation = random() & 0x7fffffffffffffff;
        CREATE TRIGGER customers_first_generation AFTER INSERT ON customers BEGIN
            UPDATE customers SET generation = random() & 0x7fffffffffffffff WHERE name = NEW.name;
        END;
        CREATE TRIGGER customers_next_generation AFTER UPDATE OF password_hash, status ON customers
        WHEN OLD.password_hash IS NOT NEW.password_hash OR OLD.status IS NOT NEW.status BEGIN
            UPDATE customers SET generation = random() & 0x7fffffffffffffff WHERE name = NEW.name;
        END;
        """

    /// Events of this database on their way to the log: rows of the transactions that made them true.
    private static let outbox4 = """
        CREATE TABLE outbox (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            record BLOB NOT NULL
        ) STRICT;
        CREATE TABLE outbox_state (
            incarnation TEXT NOT NULL CHECK (length(incarnation) = 32),
            -- The log has the events through this number.
            acknowledged INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        INSERT INTO outbox_state (incarnation) VALUES (lower(hex(randomblob(16))));
        """

    /// Times are seconds since 1970 UTC; names are the natural keys, as they are what operators write in SQL.
    /// The checks repeat the grammars of FFSModel, so that raw SQL cannot store what the service could not read.
    private static let tables1 = """
        CREATE TABLE customers (
            name TEXT NOT NULL PRIMARY KEY
                CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[A-Za-z0-9]*'
                       AND name NOT GLOB '*[^A-Za-z0-9._@+-]*'),
            display_name TEXT NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
            status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
            expires INTEGER,
            -- crypt(5); NULL: nobody can sign in.
            password_hash TEXT CHECK (password_hash GLOB '$*' AND length(password_hash) <= 384),
            password_set INTEGER CHECK ((password_set IS NULL) = (password_hash IS NULL)),
            created INTEGER NOT NULL DEFAULT (unixepoch())
        ) STRICT;

        CREATE TABLE products (
            name TEXT NOT NULL PRIMARY KEY
                CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[A-Za-z0-9]*'
                       AND name NOT GLOB '*[^A-Za-z0-9._+-]*'),
            title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
            summary TEXT NOT NULL DEFAULT '' CHECK (length(summary) <= 2000),
            created INTEGER NOT NULL DEFAULT (unixepoch())
        ) STRICT;

        CREATE TABLE contents (
            -- SHA-256 of the manifest.
            manifest TEXT NOT NULL PRIMARY KEY
                CHECK (length(manifest) = 64 AND manifest NOT GLOB '*[^0-9a-f]*'),
            size INTEGER NOT NULL CHECK (size >= 0),
            files INTEGER NOT NULL CHECK (files >= 0)
        ) STRICT;

        CREATE TABLE versions (
            product TEXT NOT NULL REFERENCES products (name) ON DELETE CASCADE ON UPDATE CASCADE,
            version TEXT NOT NULL
                CHECK (length(version) BETWEEN 1 AND 64 AND version GLOB '[A-Za-z0-9]*'
                       AND version NOT GLOB '*[^A-Za-z0-9._+~-]*'),
            manifest TEXT NOT NULL REFERENCES contents (manifest) ON UPDATE CASCADE,
            status TEXT NOT NULL DEFAULT 'published' CHECK (status IN ('published', 'withdrawn')),
            released INTEGER NOT NULL DEFAULT (unixepoch()),
            PRIMARY KEY (product, version)
        ) STRICT;
        CREATE INDEX versions_by_manifest ON versions (manifest);

        CREATE TABLE entitlements (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            customer TEXT NOT NULL REFERENCES customers (name) ON DELETE CASCADE ON UPDATE CASCADE,
            product TEXT NOT NULL REFERENCES products (name) ON DELETE CASCADE ON UPDATE CASCADE,
            -- NULL: every version.
            version TEXT,
            starts INTEGER NOT NULL DEFAULT (unixepoch()),
            ends INTEGER CHECK (ends > starts),
            policy TEXT NOT NULL DEFAULT 'finish' CHECK (
                policy IN ('finish', 'cut')
                OR (policy GLOB 'grace [1-9]*' AND substr(policy, 7) NOT GLOB '*[^0-9]*'
                    AND CAST(substr(policy, 7) AS INTEGER) <= 604800)),
            order_limit INTEGER CHECK (order_limit >= 1),
            revoked INTEGER,
            FOREIGN KEY (product, version) REFERENCES versions (product, version)
                ON DELETE CASCADE ON UPDATE CASCADE
        ) STRICT;
        CREATE INDEX entitlements_by_customer ON entitlements (customer, product);
        CREATE INDEX entitlements_by_product ON entitlements (product, version);

        -- History: whole in itself, whatever becomes of customers and products.
        CREATE TABLE orders (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            customer TEXT NOT NULL,
            placed INTEGER NOT NULL,
            source TEXT NOT NULL,
            policy TEXT NOT NULL,
            ends INTEGER,
            trace TEXT NOT NULL
        ) STRICT;
        CREATE INDEX orders_by_customer ON orders (customer, number);

        CREATE TABLE order_items (
            order_number INTEGER NOT NULL REFERENCES orders (number) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            product TEXT NOT NULL,
            version TEXT NOT NULL,
            manifest TEXT NOT NULL,
            entitlement INTEGER REFERENCES entitlements (id) ON DELETE SET NULL,
            PRIMARY KEY (order_number, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX order_items_by_entitlement ON order_items (entitlement, order_number);

        CREATE TABLE nodes (
            name TEXT NOT NULL PRIMARY KEY
                CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[A-Za-z0-9]*'
                       AND name NOT GLOB '*[^A-Za-z0-9.-]*'),
            role TEXT NOT NULL CHECK (role IN ('storage', 'web', 'internal')),
            address TEXT NOT NULL CHECK (length(address) BETWEEN 1 AND 255),
            registered INTEGER NOT NULL DEFAULT (unixepoch())
        ) STRICT;

        -- Replies to requests that changed something, for a day: a repeat changes nothing.
        CREATE TABLE replies (
            request TEXT NOT NULL PRIMARY KEY CHECK (length(request) = 32),
            fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
            document TEXT NOT NULL,
            at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX replies_by_time ON replies (at);
        """
}
