-- What a house begins with. Times are microseconds since 1970-01-01 UTC. Secrets are sealed
-- (XChaCha20-Poly1305, bound to their row), so this file alone betrays none.

-- A value sealed with the house's key: whoever opens the file with another key is told at once.
CREATE TABLE seal (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE tenant (
    id INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The newest created_at or updated_at of this tenant: times of one tenant strictly increase.
    stamped INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE domain (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    host TEXT NOT NULL,
    realm TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX domain_by_host ON domain (host) WHERE deleted_at IS NULL;

CREATE TABLE extension (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    domain_id INTEGER NOT NULL REFERENCES domain,
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- NULL once it is deleted.
    secret BLOB,
    caller_id_name TEXT,
    caller_id_number TEXT,
    max_contacts INTEGER NOT NULL,
    dnd INTEGER NOT NULL,
    forward_all TEXT,
    forward_busy TEXT,
    forward_no_answer TEXT,
    forward_not_registered TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX extension_by_number ON extension (domain_id, number) WHERE deleted_at IS NULL;
CREATE INDEX extension_by_tenant ON extension (tenant_id, id) WHERE deleted_at IS NULL;

CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE access_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    user_id INTEGER NOT NULL REFERENCES user,
    name TEXT NOT NULL,
    -- SHA-256 of the token, and the beginning of it that people recognise it by.
    hash BLOB NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    -- Words, separated by spaces.
    roles TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE INDEX access_key_by_tenant ON access_key (tenant_id, id) WHERE deleted_at IS NULL;

CREATE TABLE registration (
    extension_id INTEGER NOT NULL REFERENCES extension,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    contact TEXT NOT NULL,
    flow TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    instance TEXT,
    PRIMARY KEY (extension_id, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX registration_by_expiry ON registration (expires_at);

-- What happened in calls; only ever appended to.
CREATE TABLE fact (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    call INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    leg INTEGER,
    peer INTEGER,
    cause TEXT,
    ended_by TEXT,
    status INTEGER,
    talked INTEGER,
    generation INTEGER,
    who TEXT,
    whom TEXT,
    note TEXT,
    place TEXT
) STRICT;
CREATE INDEX fact_by_call ON fact (call, id);

-- Calls that have begun and not ended, with their first fact. What stands here at a start was cut
-- off by the end of the process before.
CREATE TABLE call_open (
    call INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    first_fact INTEGER NOT NULL
) STRICT;

CREATE TABLE cdr (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    call INTEGER NOT NULL,
    sip_call_id TEXT NOT NULL,
    caller TEXT NOT NULL,
    dialled TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ringing_at INTEGER,
    answered_at INTEGER,
    ended_at INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    cause TEXT NOT NULL,
    sip_status INTEGER,
    talked INTEGER NOT NULL
) STRICT;
CREATE INDEX cdr_by_tenant ON cdr (tenant_id, id);
CREATE INDEX cdr_by_call ON cdr (call);

CREATE TABLE cdr_leg (
    cdr_id INTEGER NOT NULL REFERENCES cdr,
    leg INTEGER NOT NULL,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    role TEXT NOT NULL,
    party TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ringing_at INTEGER,
    answered_at INTEGER,
    ended_at INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    cause TEXT NOT NULL,
    sip_status INTEGER,
    PRIMARY KEY (cdr_id, leg)
) STRICT, WITHOUT ROWID;

-- Who was shown which secret, and when.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    at INTEGER NOT NULL,
    key_id INTEGER NOT NULL REFERENCES access_key,
    extension_id INTEGER NOT NULL REFERENCES extension
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant_id, id);
