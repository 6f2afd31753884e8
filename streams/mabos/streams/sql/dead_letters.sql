-- The dead letters of one queue, in whatever schema search_path names first. Safe to repeat.
--
-- A file of its own, since views that were made before it get this table beside their own.

CREATE TABLE IF NOT EXISTS dead_letters (
    dead_at   timestamptz NOT NULL,
    "offset"  bigint NOT NULL,
    partition integer NOT NULL,
    attempts  integer,
    is_whole  boolean NOT NULL,
    code      text COLLATE "C" NOT NULL,
    message   text NOT NULL,
    cause_id  text COLLATE "C" NOT NULL,
    agent_id  text COLLATE "C",
    task_id   text COLLATE "C",
    action    text COLLATE "C",
    origin    text,
    PRIMARY KEY (partition, "offset")
);

COMMENT ON TABLE dead_letters IS 'One row a dead letter; the record itself is read from the log.';
COMMENT ON COLUMN dead_letters.dead_at IS 'When the letter was appended. With partition and offset the order of lists.';
COMMENT ON COLUMN dead_letters."offset" IS 'Its place in the dead-letters topic.';
COMMENT ON COLUMN dead_letters.partition IS 'Its partition there: that of the request.';
COMMENT ON COLUMN dead_letters.attempts IS 'How many attempts were made; NULL where there was no task, or none is told.';
COMMENT ON COLUMN dead_letters.is_whole IS 'Whether it holds the record; false when that was too large.';
COMMENT ON COLUMN dead_letters.code IS 'Why, a word for programs; unknown when the letter names none.';
COMMENT ON COLUMN dead_letters.message IS 'The same, a line for people.';
COMMENT ON COLUMN dead_letters.cause_id IS 'What letters of one cause have in common: of code, action, and message but for numbers, ids and quoted parts.';
COMMENT ON COLUMN dead_letters.agent_id IS 'The agent: of the task, or else the key of the record where that is an id.';
COMMENT ON COLUMN dead_letters.task_id IS 'The task; NULL where the record was not decodable.';
COMMENT ON COLUMN dead_letters.action IS 'As tasks.action.';
COMMENT ON COLUMN dead_letters.origin IS 'Where the request stands, topic:partition:offset; NULL where that is not told.';

CREATE INDEX IF NOT EXISTS dead_letters_by_time ON dead_letters (dead_at, partition, "offset");
CREATE INDEX IF NOT EXISTS dead_letters_by_agent ON dead_letters (agent_id, dead_at);
CREATE INDEX IF NOT EXISTS dead_letters_by_cause ON dead_letters (cause_id, dead_at);
