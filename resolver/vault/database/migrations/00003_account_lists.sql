-- Filters of the list of accounts that had no index of their own: in a million
-- accounts a name took a second, and accounts for tests a tenth of one.

-- +goose Up
CREATE INDEX accounts_by_name ON accounts (name, id);
CREATE INDEX accounts_for_tests ON accounts (organisation, id) WHERE test_mode = 1;

-- +goose Down
DROP INDEX accounts_for_tests;
DROP INDEX accounts_by_name;
