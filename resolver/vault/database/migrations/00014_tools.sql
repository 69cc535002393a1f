-- Tools of MCP servers: what each said when it was first seen or last accepted, and, where
-- new_digest is not empty, what it has said since.

-- +goose Up
CREATE TABLE tools (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    says         TEXT   NOT NULL,
    read_only    BIGINT NOT NULL,
    destructive  BIGINT NOT NULL,
    new_digest   TEXT   NOT NULL,
    new_says     TEXT   NOT NULL,
    seen_at      BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    accepted_by  TEXT   NOT NULL,
    accepted_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX tools_by_server ON tools (account_id, host, name);
CREATE INDEX tools_changed ON tools (id) WHERE new_digest <> '';

-- +goose Down
DROP TABLE tools;
