-- Which version of a row's sealed values is the newest: each write counts it up
-- and seals all of them under it, so that an older text put back is refused. A
-- row's number outlives its secrets, or those of a revoked account would open.

-- +goose Up
CREATE TABLE seals (
    owner_id TEXT   NOT NULL PRIMARY KEY,
    version  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE seals;
