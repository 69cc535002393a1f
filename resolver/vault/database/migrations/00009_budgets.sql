-- What agents, accounts and grants may use, line by line, as a list in JSON (null for
-- none; an account's stand among its settings), and what was used of it: by counter and window, which begins at
-- slot (seconds since 1970), ends at until, and is forgotten after forget.

-- +goose Up
ALTER TABLE grants ADD COLUMN budgets TEXT NOT NULL DEFAULT 'null';
ALTER TABLE agents ADD COLUMN budgets TEXT NOT NULL DEFAULT 'null';
CREATE TABLE spent (
    counter TEXT   NOT NULL,
    slot    BIGINT NOT NULL,
    used    BIGINT NOT NULL,
    until   BIGINT NOT NULL,
    forget  BIGINT NOT NULL,
    PRIMARY KEY (counter, slot)
);
CREATE INDEX spent_by_forget ON spent (forget);

-- +goose Down
DROP TABLE spent;
ALTER TABLE agents DROP COLUMN budgets;
ALTER TABLE grants DROP COLUMN budgets;
