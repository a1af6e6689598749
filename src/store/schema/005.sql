-- Instant messages for people who are away, in the order in which they came.
CREATE TABLE text (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id INTEGER NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    extension_id INTEGER NOT NULL REFERENCES extension,
    sender TEXT NOT NULL,
    sender_name TEXT,
    sent_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX text_by_extension ON text (extension_id);
