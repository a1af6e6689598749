-- When an access key was last used, to the minute; lists of users.

ALTER TABLE access_key ADD COLUMN last_used_at INTEGER;
CREATE INDEX user_by_tenant ON user (tenant_id, id) WHERE deleted_at IS NULL;
