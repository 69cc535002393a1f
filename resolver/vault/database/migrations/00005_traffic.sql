-- What was called, added up, so that a page of numbers reads few rows however many
-- calls there were. kind says what a row is of:
--   hour       all calls;              slot is an hour, YYYYMMDDHH in UTC
--   took       calls by how long they took; name is a step of the scale; slot is an hour
--   refusal    refusals of ours;       name is their code; slot is an hour
--   refresh    refreshes of tokens;    errors are those that failed; slot is an hour
--   connector  calls by connector;     slot is a day, YYYYMMDD
--   agent      calls by agent's id;    slot is a day

-- +goose Up
CREATE TABLE traffic (
    kind         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    slot         BIGINT NOT NULL,
    organisation TEXT   NOT NULL,
    calls        BIGINT NOT NULL,
    errors       BIGINT NOT NULL,
    PRIMARY KEY (kind, name, slot, organisation)
);
CREATE INDEX traffic_by_slot ON traffic (kind, slot, organisation, name, calls, errors);
-- What accounts were used for until now; the hour is not known.
INSERT INTO traffic SELECT 'hour', '', u.day * 100 + 12, a.organisation, CAST(SUM(u.calls) AS BIGINT), CAST(SUM(u.errors) AS BIGINT)
    FROM usage u JOIN accounts a ON a.id = u.account_id GROUP BY u.day, a.organisation;
INSERT INTO traffic SELECT 'connector', a.connector, u.day, a.organisation, CAST(SUM(u.calls) AS BIGINT), CAST(SUM(u.errors) AS BIGINT)
    FROM usage u JOIN accounts a ON a.id = u.account_id GROUP BY a.connector, u.day, a.organisation;

-- The audit by connector, by code, and what failed: in a million events each took a second.
CREATE INDEX audit_by_connector ON audit (connector, id) WHERE connector <> '';
CREATE INDEX audit_by_code ON audit (code, id) WHERE code <> '';
CREATE INDEX audit_failed ON audit (id) WHERE (kind = 'use' AND (status >= 400 OR status = 0)) OR (kind = 'refresh' AND code <> 'account.refreshed');
-- Accounts in the order of names, searched by words, and by when they came to be in a state.
DROP INDEX accounts_by_name;
CREATE INDEX accounts_by_words ON accounts (name, id, organisation, state, connector, identifier, provider_label, provider_email);
CREATE INDEX accounts_by_since ON accounts (state, state_since, organisation);
CREATE INDEX agents_by_name ON agents (name, id);

-- +goose Down
DROP INDEX agents_by_name;
DROP INDEX accounts_by_since;
DROP INDEX accounts_by_words;
CREATE INDEX accounts_by_name ON accounts (name, id);
DROP INDEX audit_failed;
DROP INDEX audit_by_code;
DROP INDEX audit_by_connector;
DROP TABLE traffic;
