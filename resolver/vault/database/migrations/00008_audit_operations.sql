-- What a request does: its operation's name, its effect, and what it is done to. Empty where
-- that is not known. Until now the name stood in the detail.

-- +goose Up
ALTER TABLE audit ADD COLUMN operation TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN effect TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN resource TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_by_operation ON audit (operation, id) WHERE operation <> '';

-- +goose Down
DROP INDEX audit_by_operation;
ALTER TABLE audit DROP COLUMN resource;
ALTER TABLE audit DROP COLUMN effect;
ALTER TABLE audit DROP COLUMN operation;
