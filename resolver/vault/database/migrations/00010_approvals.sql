-- Questions to people about requests, and the answers. digest is of a whole request, act of
-- what it does, place of its effect and resource; preview is sealed. expires_at is when the
-- question, or what its answer is good for, ends.

-- +goose Up
CREATE TABLE approvals (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    agent_id     TEXT   NOT NULL,
    agent        TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    grant_id     TEXT   NOT NULL,
    operation    TEXT   NOT NULL,
    effect       TEXT   NOT NULL,
    resource     TEXT   NOT NULL,
    method       TEXT   NOT NULL,
    url          TEXT   NOT NULL,
    rule         TEXT   NOT NULL,
    allow        TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    act          TEXT   NOT NULL,
    place        TEXT   NOT NULL,
    flight       BIGINT NOT NULL,
    preview      TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    decided_by   TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    requested_at BIGINT NOT NULL,
    decided_at   BIGINT NOT NULL,
    used_at      BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
-- One question about one request, whichever replicas it comes to.
CREATE UNIQUE INDEX approvals_open ON approvals (agent_id, digest) WHERE state = 'pending';
CREATE INDEX approvals_by_digest ON approvals (agent_id, digest);
CREATE INDEX approvals_standing ON approvals (agent_id, act, place) WHERE state = 'approved' AND scope IN ('minutes', 'resource');
CREATE INDEX approvals_by_agent ON approvals (agent_id, id);
CREATE INDEX approvals_by_state ON approvals (state, id);

-- +goose Down
DROP TABLE approvals;
