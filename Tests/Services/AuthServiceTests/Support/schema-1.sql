CREATE TABLE change_feed (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL DEFAULT (unixepoch()),
    entity TEXT NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('insert', 'update', 'delete')),
    customer TEXT, product TEXT, version TEXT, manifest TEXT, node TEXT
) STRICT;

CREATE TABLE contents (
    -- SHA-256 of the manifest.
    manifest TEXT NOT NULL PRIMARY KEY
        CHECK (length(manifest) = 64 AND manifest NOT GLOB '*[^0-9a-f]*'),
    size INTEGER NOT NULL CHECK (size >= 0),
    files INTEGER NOT NULL CHECK (files >= 0)
) STRICT;

CREATE TRIGGER contents_deleted AFTER DELETE ON contents BEGIN
    INSERT INTO change_feed (entity, operation, manifest)
    VALUES ('content', 'delete', OLD.manifest);
END;

CREATE TRIGGER contents_inserted AFTER INSERT ON contents BEGIN
    INSERT INTO change_feed (entity, operation, manifest)
    VALUES ('content', 'insert', NEW.manifest);
END;

CREATE TRIGGER contents_moved AFTER UPDATE ON contents WHEN OLD.manifest IS NOT NEW.manifest BEGIN
    INSERT INTO change_feed (entity, operation, manifest)
    VALUES ('content', 'delete', OLD.manifest);
    INSERT INTO change_feed (entity, operation, manifest)
    VALUES ('content', 'insert', NEW.manifest);
END;

CREATE TRIGGER contents_updated AFTER UPDATE ON contents
WHEN (OLD.size IS NOT NEW.size OR OLD.files IS NOT NEW.files) AND NOT (OLD.manifest IS NOT NEW.manifest) BEGIN
    INSERT INTO change_feed (entity, operation, manifest)
    VALUES ('content', 'update', NEW.manifest);
END;

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

CREATE TRIGGER customers_deleted AFTER DELETE ON customers BEGIN
    INSERT INTO change_feed (entity, operation, customer)
    VALUES ('customer', 'delete', OLD.name);
END;

CREATE TRIGGER customers_inserted AFTER INSERT ON customers BEGIN
    INSERT INTO change_feed (entity, operation, customer)
    VALUES ('customer', 'insert', NEW.name);
END;

CREATE TRIGGER customers_moved AFTER UPDATE ON customers WHEN OLD.name IS NOT NEW.name BEGIN
    INSERT INTO change_feed (entity, operation, customer)
    VALUES ('customer', 'delete', OLD.name);
    INSERT INTO change_feed (entity, operation, customer)
    VALUES ('customer', 'insert', NEW.name);
END;

CREATE TRIGGER customers_updated AFTER UPDATE ON customers
WHEN (OLD.status IS NOT NEW.status OR OLD.expires IS NOT NEW.expires) AND NOT (OLD.name IS NOT NEW.name) BEGIN
    INSERT INTO change_feed (entity, operation, customer)
    VALUES ('customer', 'update', NEW.name);
END;

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

CREATE TRIGGER entitlements_deleted AFTER DELETE ON entitlements BEGIN
    INSERT INTO change_feed (entity, operation, customer, product, version)
    VALUES ('entitlement', 'delete', OLD.customer, OLD.product, OLD.version);
END;

CREATE TRIGGER entitlements_inserted AFTER INSERT ON entitlements BEGIN
    INSERT INTO change_feed (entity, operation, customer, product, version)
    VALUES ('entitlement', 'insert', NEW.customer, NEW.product, NEW.version);
END;

CREATE TRIGGER entitlements_moved AFTER UPDATE ON entitlements WHEN OLD.customer IS NOT NEW.customer OR OLD.product IS NOT NEW.product OR OLD.version IS NOT NEW.version BEGIN
    INSERT INTO change_feed (entity, operation, customer, product, version)
    VALUES ('entitlement', 'delete', OLD.customer, OLD.product, OLD.version);
    INSERT INTO change_feed (entity, operation, customer, product, version)
    VALUES ('entitlement', 'insert', NEW.customer, NEW.product, NEW.version);
END;

CREATE TRIGGER entitlements_updated AFTER UPDATE ON entitlements
WHEN (OLD.starts IS NOT NEW.starts OR OLD.ends IS NOT NEW.ends OR OLD.policy IS NOT NEW.policy OR OLD.order_limit IS NOT NEW.order_limit OR OLD.revoked IS NOT NEW.revoked) AND NOT (OLD.customer IS NOT NEW.customer OR OLD.product IS NOT NEW.product OR OLD.version IS NOT NEW.version) BEGIN
    INSERT INTO change_feed (entity, operation, customer, product, version)
    VALUES ('entitlement', 'update', NEW.customer, NEW.product, NEW.version);
END;

CREATE TABLE nodes (
    name TEXT NOT NULL PRIMARY KEY
        CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[A-Za-z0-9]*'
               AND name NOT GLOB '*[^A-Za-z0-9.-]*'),
    role TEXT NOT NULL CHECK (role IN ('storage', 'web', 'internal')),
    address TEXT NOT NULL CHECK (length(address) BETWEEN 1 AND 255),
    registered INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE TRIGGER nodes_deleted AFTER DELETE ON nodes BEGIN
    INSERT INTO change_feed (entity, operation, node)
    VALUES ('node', 'delete', OLD.name);
END;

CREATE TRIGGER nodes_inserted AFTER INSERT ON nodes BEGIN
    INSERT INTO change_feed (entity, operation, node)
    VALUES ('node', 'insert', NEW.name);
END;

CREATE TRIGGER nodes_moved AFTER UPDATE ON nodes WHEN OLD.name IS NOT NEW.name BEGIN
    INSERT INTO change_feed (entity, operation, node)
    VALUES ('node', 'delete', OLD.name);
    INSERT INTO change_feed (entity, operation, node)
    VALUES ('node', 'insert', NEW.name);
END;

CREATE TRIGGER nodes_updated AFTER UPDATE ON nodes
WHEN (OLD.role IS NOT NEW.role OR OLD.address IS NOT NEW.address) AND NOT (OLD.name IS NOT NEW.name) BEGIN
    INSERT INTO change_feed (entity, operation, node)
    VALUES ('node', 'update', NEW.name);
END;

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

CREATE TABLE products (
    name TEXT NOT NULL PRIMARY KEY
        CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[A-Za-z0-9]*'
               AND name NOT GLOB '*[^A-Za-z0-9._+-]*'),
    title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    summary TEXT NOT NULL DEFAULT '' CHECK (length(summary) <= 2000),
    created INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE TRIGGER products_deleted AFTER DELETE ON products BEGIN
    INSERT INTO change_feed (entity, operation, product)
    VALUES ('product', 'delete', OLD.name);
END;

CREATE TRIGGER products_inserted AFTER INSERT ON products BEGIN
    INSERT INTO change_feed (entity, operation, product)
    VALUES ('product', 'insert', NEW.name);
END;

CREATE TRIGGER products_moved AFTER UPDATE ON products WHEN OLD.name IS NOT NEW.name BEGIN
    INSERT INTO change_feed (entity, operation, product)
    VALUES ('product', 'delete', OLD.name);
    INSERT INTO change_feed (entity, operation, product)
    VALUES ('product', 'insert', NEW.name);
END;

CREATE TRIGGER products_updated AFTER UPDATE ON products
WHEN (OLD.title IS NOT NEW.title OR OLD.summary IS NOT NEW.summary) AND NOT (OLD.name IS NOT NEW.name) BEGIN
    INSERT INTO change_feed (entity, operation, product)
    VALUES ('product', 'update', NEW.name);
END;

CREATE TABLE replies (
    request TEXT NOT NULL PRIMARY KEY CHECK (length(request) = 32),
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
    document TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX replies_by_time ON replies (at);

CREATE TABLE sqlite_sequence(name,seq);

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

CREATE TRIGGER versions_deleted AFTER DELETE ON versions BEGIN
    INSERT INTO change_feed (entity, operation, product, version, manifest)
    VALUES ('version', 'delete', OLD.product, OLD.version, OLD.manifest);
END;

CREATE TRIGGER versions_inserted AFTER INSERT ON versions BEGIN
    INSERT INTO change_feed (entity, operation, product, version, manifest)
    VALUES ('version', 'insert', NEW.product, NEW.version, NEW.manifest);
END;

CREATE TRIGGER versions_moved AFTER UPDATE ON versions WHEN OLD.product IS NOT NEW.product OR OLD.version IS NOT NEW.version OR OLD.manifest IS NOT NEW.manifest BEGIN
    INSERT INTO change_feed (entity, operation, product, version, manifest)
    VALUES ('version', 'delete', OLD.product, OLD.version, OLD.manifest);
    INSERT INTO change_feed (entity, operation, product, version, manifest)
    VALUES ('version', 'insert', NEW.product, NEW.version, NEW.manifest);
END;

CREATE TRIGGER versions_updated AFTER UPDATE ON versions
WHEN (OLD.status IS NOT NEW.status OR OLD.released IS NOT NEW.released) AND NOT (OLD.product IS NOT NEW.product OR OLD.version IS NOT NEW.version OR OLD.manifest IS NOT NEW.manifest) BEGIN
    INSERT INTO change_feed (entity, operation, product, version, manifest)
    VALUES ('version', 'update', NEW.product, NEW.version, NEW.manifest);
END;
