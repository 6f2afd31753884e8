-- What the gateway keeps beside the log: API keys, and claims of idempotency keys. It cannot be made again from the
-- topics. Safe to repeat.

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

CREATE TABLE IF NOT EXISTS claims (
    claimed_at   timestamptz NOT NULL,
    leased_until timestamptz NOT NULL,
    queue        text COLLATE "C" NOT NULL,
    caller       text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    task_id      text NOT NULL,
    position     text,
    fingerprint  bytea NOT NULL,
    PRIMARY KEY (queue, caller, key)
);

CREATE INDEX IF NOT EXISTS claims_by_age ON claims (claimed_at);

COMMENT ON TABLE claims IS 'One row an Idempotency-Key of the last day: which task it stands for.';
COMMENT ON COLUMN claims.claimed_at IS 'When it was first used; a day later it stands for nothing.';
COMMENT ON COLUMN claims.leased_until IS 'Until when nobody else publishes the task, unless it has its position.';
COMMENT ON COLUMN claims.queue IS 'The queue of the task.';
COMMENT ON COLUMN claims.caller IS 'Whose key it is, as the audit log names the caller.';
COMMENT ON COLUMN claims.key IS 'The key as it was sent.';
COMMENT ON COLUMN claims.task_id IS 'The task; of a batch, a name for all of it.';
COMMENT ON COLUMN claims.position IS 'Where the task stands, topic:partition:offset, or `batch`; NULL until that is known.';
COMMENT ON COLUMN claims.fingerprint IS 'The SHA-256 of the task, or the batch, as it was asked for.';

CREATE TABLE IF NOT EXISTS claimed_batches (
    saved_at  timestamptz NOT NULL,
    batch_id  text COLLATE "C" PRIMARY KEY,
    positions text[] NOT NULL
);

CREATE INDEX IF NOT EXISTS claimed_batches_by_age ON claimed_batches (saved_at);

COMMENT ON TABLE claimed_batches IS 'One row a batch with an Idempotency-Key: what is stored of it.';
COMMENT ON COLUMN claimed_batches.saved_at IS 'When it was written; a day later nobody asks.';
COMMENT ON COLUMN claimed_batches.batch_id IS 'The task_id of its claim; the names of its tasks come from it.';
COMMENT ON COLUMN claimed_batches.positions IS 'Where each item stands, topic:partition:offset; NULL where it is not known to.';

CREATE TABLE IF NOT EXISTS redrive_plans (
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    applied_at timestamptz,
    plan_id    uuid PRIMARY KEY,
    queue      text COLLATE "C" NOT NULL,
    created_by text NOT NULL,
    plan       jsonb NOT NULL,
    begins     jsonb,
    result     jsonb
);

COMMENT ON TABLE redrive_plans IS 'One row a plan by which dead letters are published again.';
COMMENT ON COLUMN redrive_plans.created_at IS 'When it was made.';
COMMENT ON COLUMN redrive_plans.expires_at IS 'From when on it is forgotten.';
COMMENT ON COLUMN redrive_plans.applied_at IS 'When all of it was published; NULL before.';
COMMENT ON COLUMN redrive_plans.plan_id IS 'Its name; those of its tasks come from it.';
COMMENT ON COLUMN redrive_plans.queue IS 'The queue.';
COMMENT ON COLUMN redrive_plans.created_by IS 'Who asked for it, as the audit log names callers.';
COMMENT ON COLUMN redrive_plans.plan IS 'All that it says.';
COMMENT ON COLUMN redrive_plans.begins IS 'Where the requests ended, by partition, before its first task was published: what is published of it stands after that.';
COMMENT ON COLUMN redrive_plans.result IS 'What was published, and what could not be.';

CREATE TABLE IF NOT EXISTS redrive_claims (
    plan_id     uuid NOT NULL REFERENCES redrive_plans ON DELETE CASCADE,
    queue       text COLLATE "C" NOT NULL,
    agent_id    text COLLATE "C" NOT NULL,
    task_id     text COLLATE "C" NOT NULL,
    new_task_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (queue, agent_id, task_id)
);

CREATE INDEX IF NOT EXISTS redrive_claims_by_plan ON redrive_claims (plan_id);

COMMENT ON TABLE redrive_claims IS 'One row a task that a plan does again: no other plan does, while the view may not know of it yet.';
COMMENT ON COLUMN redrive_claims.plan_id IS 'The plan; with it the claim is forgotten.';
COMMENT ON COLUMN redrive_claims.queue IS 'The queue.';
COMMENT ON COLUMN redrive_claims.agent_id IS 'Whose task.';
COMMENT ON COLUMN redrive_claims.task_id IS 'The task that failed, or where that was never known, the position of its letter.';
COMMENT ON COLUMN redrive_claims.new_task_id IS 'The task that does it again.';
