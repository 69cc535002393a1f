-- People who signed in to the REST API through an OpenID provider. hash is as in
-- admin_tokens; subject is the issuer and its sub.

-- +goose Up
CREATE TABLE signins (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX signins_by_expiry ON signins (expires_at);

-- +goose Down
DROP TABLE signins;
