-- The vault's first shape. One text for SQLite and PostgreSQL:
--   times are microseconds since 1970 in UTC, 0 means none;
--   booleans are 0 and 1; lists and maps are JSON in TEXT;
--   sealed values are Fernet text and stand in one table, secrets;
--   version counts the edits of a row and is what an If-Match names.

-- +goose Up
CREATE TABLE settings (
    name       TEXT   NOT NULL PRIMARY KEY,
    value      TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Every sealed value of every other table. owner_id is the id of its row;
-- key_id names the key that sealed it, so that a rotation finds what is left.
CREATE TABLE secrets (
    owner_id    TEXT   NOT NULL,
    field       TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    key_id      TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    tail        TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (owner_id, field)
);
CREATE INDEX secrets_by_key ON secrets (key_id, owner_id, field);

-- Connectors that were made through the API. The organisation * is everybody's.
CREATE TABLE connectors (
    id           TEXT   NOT NULL PRIMARY KEY,
    key          TEXT   NOT NULL UNIQUE,
    organisation TEXT   NOT NULL,
    title        TEXT   NOT NULL,
    type         TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    definition   TEXT   NOT NULL,
    form         TEXT   NOT NULL,
    last_error   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);

-- OAuth clients. mode: managed (the operator's) or own (the owner brought it).
CREATE TABLE apps (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    mode         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    client_id    TEXT   NOT NULL,
    params       TEXT   NOT NULL,
    active       BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    UNIQUE (connector, organisation, name)
);

CREATE TABLE accounts (
    id                TEXT   NOT NULL PRIMARY KEY,
    organisation      TEXT   NOT NULL,
    connector         TEXT   NOT NULL,
    auth_option       TEXT   NOT NULL,
    name              TEXT   NOT NULL,
    identifier        TEXT   NOT NULL,
    identifier_type   TEXT   NOT NULL,
    app_id            TEXT   NOT NULL,
    state             TEXT   NOT NULL,
    resume_to         TEXT   NOT NULL,
    state_code        TEXT   NOT NULL,
    state_detail      TEXT   NOT NULL,
    state_since       BIGINT NOT NULL,
    connected_at      BIGINT NOT NULL,
    scopes            TEXT   NOT NULL,
    provider_id       TEXT   NOT NULL,
    provider_label    TEXT   NOT NULL,
    provider_email    TEXT   NOT NULL,
    fields            TEXT   NOT NULL,
    captured          TEXT   NOT NULL,
    metadata          TEXT   NOT NULL,
    settings          TEXT   NOT NULL,
    test_mode         BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    generation        BIGINT NOT NULL,
    lease_owner       TEXT   NOT NULL,
    lease_until       BIGINT NOT NULL,
    fence             BIGINT NOT NULL,
    intent_fence      BIGINT NOT NULL,
    intent_at         BIGINT NOT NULL,
    intent_generation BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    version           BIGINT NOT NULL,
    UNIQUE (organisation, connector, identifier_type, identifier, name)
);
-- Lists are read in the order of id; each filter finds an index that ends in it.
CREATE INDEX accounts_by_organisation ON accounts (organisation, id);
CREATE INDEX accounts_by_connector ON accounts (connector, id);
CREATE INDEX accounts_by_connector_state ON accounts (connector, state, id);
CREATE INDEX accounts_by_state ON accounts (state, id);
CREATE INDEX accounts_by_identifier ON accounts (identifier, id);
CREATE INDEX accounts_by_org_connector ON accounts (organisation, connector, state, id);
CREATE INDEX accounts_by_org_state ON accounts (organisation, state, id);
CREATE INDEX accounts_by_expiry ON accounts (state, expires_at);

CREATE TABLE agents (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    connectors   TEXT   NOT NULL,
    disabled     BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    metadata     TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    UNIQUE (organisation, name)
);
CREATE INDEX agents_by_organisation ON agents (organisation, id);

-- hash is SHA-256 of the token, in hexadecimal; see token.go for why that is enough.
CREATE TABLE agent_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    agent_id   TEXT   NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE,
    hint       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX agent_tokens_by_agent ON agent_tokens (agent_id, id);

-- connector repeats the account's, so that resolving reads one index.
-- agent_id has no foreign key: agents of the Caddyfile (file:NAME) have no row.
CREATE TABLE grants (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    agent_id     TEXT   NOT NULL,
    account_id   TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    connector    TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,
    rules        TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    UNIQUE (agent_id, account_id)
);
CREATE INDEX grants_by_agent ON grants (agent_id, connector, id);
CREATE INDEX grants_by_account ON grants (account_id, id);
CREATE INDEX grants_by_organisation ON grants (organisation, id);

CREATE TABLE connect_sessions (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    account_id   TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash         TEXT   NOT NULL UNIQUE,
    state_hash   TEXT   NOT NULL,
    flow         TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,
    data         TEXT   NOT NULL,
    error        TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE UNIQUE INDEX connect_sessions_by_state ON connect_sessions (state_hash) WHERE state_hash <> '';
CREATE INDEX connect_sessions_by_account ON connect_sessions (account_id);
CREATE INDEX connect_sessions_by_expiry ON connect_sessions (expires_at);

CREATE TABLE audit (
    id           TEXT   NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    code         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    actor_kind   TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    agent_id     TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    method       TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    path         TEXT   NOT NULL,
    status       BIGINT NOT NULL,
    bytes_in     BIGINT NOT NULL,
    bytes_out    BIGINT NOT NULL,
    micros       BIGINT NOT NULL,
    detail       TEXT   NOT NULL
);
CREATE INDEX audit_by_account ON audit (account_id, id) WHERE account_id <> '';
CREATE INDEX audit_by_agent ON audit (agent_id, id) WHERE agent_id <> '';
CREATE INDEX audit_by_kind ON audit (kind, id);
CREATE INDEX audit_by_organisation ON audit (organisation, id);

-- day is a date as the number YYYYMMDD, in UTC.
CREATE TABLE usage (
    account_id    TEXT   NOT NULL,
    day           BIGINT NOT NULL,
    calls         BIGINT NOT NULL,
    errors        BIGINT NOT NULL,
    auth_errors   BIGINT NOT NULL,
    bytes_in      BIGINT NOT NULL,
    bytes_out     BIGINT NOT NULL,
    last_used     BIGINT NOT NULL,
    last_success  BIGINT NOT NULL,
    last_error_at BIGINT NOT NULL,
    last_error    TEXT   NOT NULL,
    PRIMARY KEY (account_id, day)
);
CREATE INDEX usage_by_day ON usage (day);
CREATE TABLE usage_paths (
    account_id TEXT   NOT NULL,
    day        BIGINT NOT NULL,
    path       TEXT   NOT NULL,
    calls      BIGINT NOT NULL,
    PRIMARY KEY (account_id, day, path)
);
CREATE INDEX usage_paths_by_day ON usage_paths (day);

CREATE TABLE admin_tokens (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL UNIQUE,
    role         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    hint         TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

-- owner is the admin token that sent the key: two callers never share one.
CREATE TABLE idempotency_keys (
    owner      TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    request    TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    headers    TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE webhooks (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    url          TEXT   NOT NULL,
    events       TEXT   NOT NULL,
    active       BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);

-- Written in the transaction of the change that they tell of.
CREATE TABLE deliveries (
    id         TEXT   NOT NULL PRIMARY KEY,
    webhook_id TEXT   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id   TEXT   NOT NULL,
    event      TEXT   NOT NULL,
    payload    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    error      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL
);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_by_end ON deliveries (ended_at);

-- What changed, for other processes on one SQLite file. PostgreSQL uses NOTIFY
-- and leaves this table empty: numbers given by a sequence become visible out
-- of order there, while SQLite has one writer at a time.
CREATE TABLE changes (
    seq    BIGINT NOT NULL PRIMARY KEY,
    origin TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    change TEXT   NOT NULL
);

-- +goose Down
DROP TABLE changes;
DROP TABLE deliveries;
DROP TABLE webhooks;
DROP TABLE idempotency_keys;
DROP TABLE admin_tokens;
DROP TABLE usage_paths;
DROP TABLE usage;
DROP TABLE audit;
DROP TABLE connect_sessions;
DROP TABLE grants;
DROP TABLE agent_tokens;
DROP TABLE agents;
DROP TABLE accounts;
DROP TABLE apps;
DROP TABLE connectors;
DROP TABLE secrets;
DROP TABLE settings;
