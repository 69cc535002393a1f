-- What people are asked about: a request where kind is empty, or a rule that an agent proposes.

-- +goose Up
ALTER TABLE approvals ADD COLUMN kind TEXT NOT NULL DEFAULT '';

-- +goose Down
DELETE FROM approvals WHERE kind <> '';
ALTER TABLE approvals DROP COLUMN kind;
