-- In which form a webhook is told; empty for the form of standardwebhooks.com.

-- +goose Up
ALTER TABLE webhooks ADD COLUMN format TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE webhooks DROP COLUMN format;
