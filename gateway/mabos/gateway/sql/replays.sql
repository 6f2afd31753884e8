-- Replays that gateways run, as all gateways see them. Safe to repeat.

CREATE TABLE IF NOT EXISTS replays (
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    ended_at    timestamptz,
    beat_at     timestamptz,
    done        bigint NOT NULL DEFAULT 0,
    total       bigint,
    published   bigint,
    rate_per_s  double precision,
    speed_per_s double precision,
    wants_stop  boolean NOT NULL DEFAULT false,
    replay_id   text COLLATE "C" PRIMARY KEY,
    queue       text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    state       text NOT NULL,
    holder      text,
    created_by  text NOT NULL,
    unit        text NOT NULL DEFAULT 'records',
    error       text,
    wanted      jsonb NOT NULL,
    plan        jsonb,
    counts      jsonb,
    remarks     text[] NOT NULL DEFAULT '{}'
);

CREATE INDEX IF NOT EXISTS replays_newest ON replays (queue, created_at);

COMMENT ON TABLE replays IS 'One row a replay; old ones are swept when a new one is made.';
COMMENT ON COLUMN replays.created_at IS 'When somebody asked for it.';
COMMENT ON COLUMN replays.started_at IS 'When it last began: to count, to look, or to publish.';
COMMENT ON COLUMN replays.ended_at IS 'When it last ended; NULL while it runs.';
COMMENT ON COLUMN replays.beat_at IS 'When its gateway last said that it is at work on it.';
COMMENT ON COLUMN replays.done IS 'How much is done, in its unit.';
COMMENT ON COLUMN replays.total IS 'How much there is to do; NULL while nobody knows.';
COMMENT ON COLUMN replays.published IS 'How many of its tasks stand in the log, as far as known; NULL before it publishes.';
COMMENT ON COLUMN replays.rate_per_s IS 'How many tasks a second it may publish; NULL for as many as can be.';
COMMENT ON COLUMN replays.speed_per_s IS 'How much it does a second.';
COMMENT ON COLUMN replays.wants_stop IS 'Whether somebody wants it to stop; its gateway hears of it at its next beat.';
COMMENT ON COLUMN replays.replay_id IS 'A UUID; each task that it publishes names it.';
COMMENT ON COLUMN replays.queue IS 'Of which queue.';
COMMENT ON COLUMN replays.kind IS 'inspect or reprocess.';
COMMENT ON COLUMN replays.state IS 'As its gateway left it; one that beats no more is interrupted.';
COMMENT ON COLUMN replays.holder IS 'Who is at work on it: a name of that run alone.';
COMMENT ON COLUMN replays.created_by IS 'The caller, as the audit log names it.';
COMMENT ON COLUMN replays.unit IS 'What is counted: records or tasks.';
COMMENT ON COLUMN replays.error IS 'Why it failed, a line for people.';
COMMENT ON COLUMN replays.wanted IS 'What was asked for.';
COMMENT ON COLUMN replays.plan IS 'What exactly it reads, and how its tasks are named; NULL until that is settled.';
COMMENT ON COLUMN replays.counts IS 'What it found, or would publish; NULL until it has counted.';
COMMENT ON COLUMN replays.remarks IS 'A line for each thing that was asked for and is not in the log.';
