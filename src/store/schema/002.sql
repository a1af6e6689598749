-- Lamps: what lies in mailboxes, and who is told of what.
ALTER TABLE extension ADD COLUMN messages_new INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extension ADD COLUMN messages_old INTEGER NOT NULL DEFAULT 0;

CREATE TABLE subscription (
    -- Call-ID and our tag.
    name TEXT PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenant,
    extension_id INTEGER NOT NULL REFERENCES extension,
    package TEXT NOT NULL,
    resource TEXT NOT NULL,
    entity TEXT NOT NULL,
    event_id TEXT,
    dialog TEXT NOT NULL,
    flow TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_by_expiry ON subscription (expires_at);
