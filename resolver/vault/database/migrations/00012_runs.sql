-- Runs of commands. digest is of a run's token, opener of the agent's token by which it was
-- opened. The audit says of which run a request was.

-- +goose Up
CREATE TABLE runs (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    agent_id     TEXT   NOT NULL,
    agent        TEXT   NOT NULL,
    program      TEXT   NOT NULL,
    os_user      TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    confined     BIGINT NOT NULL,
    opener       TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    began_at     BIGINT NOT NULL,
    seen_at      BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    why          TEXT   NOT NULL,
    calls        BIGINT NOT NULL,
    refusals     BIGINT NOT NULL
);
CREATE UNIQUE INDEX runs_by_digest ON runs (digest);
CREATE INDEX runs_by_agent ON runs (agent_id, id);
CREATE INDEX runs_open ON runs (agent_id, seen_at) WHERE ended_at = 0;
ALTER TABLE audit ADD COLUMN run TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_by_run ON audit (run, id) WHERE run <> '';

-- +goose Down
DROP INDEX audit_by_run;
ALTER TABLE audit DROP COLUMN run;
DROP TABLE runs;
