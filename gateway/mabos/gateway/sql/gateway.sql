-- What the gateway keeps beside the log: API keys. It cannot be made again from the topics. Safe to repeat.

CREATE TABLE IF NOT EXISTS api_keys (
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    rate_per_s    double precision,
    id            text COLLATE "C" PRIMARY KEY,
    name          text NOT NULL,
    secret_sha256 bytea NOT NULL,
    scopes        text[] NOT NULL,
    agents        text[] NOT NULL
);

COMMENT ON TABLE api_keys IS 'One row a key; a key that was revoked stays, for the audit log names it.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made.';
COMMENT ON COLUMN api_keys.expires_at IS 'From when on it is refused; NULL for never.';
COMMENT ON COLUMN api_keys.revoked_at IS 'From when on it was refused; NULL while it holds.';
COMMENT ON COLUMN api_keys.rate_per_s IS 'How many requests a second its bearer may make; NULL for the gateway''s own bound.';
COMMENT ON COLUMN api_keys.id IS 'Twelve hexadecimal digits: the middle of the key.';
COMMENT ON COLUMN api_keys.name IS 'What it is for, a line for people.';
COMMENT ON COLUMN api_keys.secret_sha256 IS 'The SHA-256 of its secret, which is kept nowhere.';
COMMENT ON COLUMN api_keys.scopes IS 'What its bearer may do.';
COMMENT ON COLUMN api_keys.agents IS 'For which agents: ids, or patterns in which * stands for anything.';
