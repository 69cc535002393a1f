-- What an agent may do by a grant, rule by rule, as a list in JSON; null for none: then
-- the scopes alone decide.

-- +goose Up
ALTER TABLE grants ADD COLUMN operations TEXT NOT NULL DEFAULT 'null';

-- +goose Down
ALTER TABLE grants DROP COLUMN operations;
