-- How much waited, minute by minute, in whatever schema search_path names first. Safe to repeat.
--
-- Samples, not made from the topics: what waited at a moment of the past cannot be read there any more. A rebuild keeps
-- them. A file of its own, since views that were made before it get this table beside their own.

CREATE TABLE IF NOT EXISTS backlog_minutes (
    minute    timestamptz NOT NULL,
    partition integer NOT NULL,
    queued    integer NOT NULL,
    oldest_ms bigint NOT NULL,
    PRIMARY KEY (minute, partition)
) WITH (fillfactor = 70);

COMMENT ON TABLE backlog_minutes IS 'What waited in a partition, as its projector saw it every few seconds while it had read the log to its end.';
COMMENT ON COLUMN backlog_minutes.minute IS 'The minute of the samples, by the clock of the projector.';
COMMENT ON COLUMN backlog_minutes.partition IS 'The partition of the requests.';
COMMENT ON COLUMN backlog_minutes.queued IS 'Tasks in the state queued: the most that a sample of this minute found.';
COMMENT ON COLUMN backlog_minutes.oldest_ms IS 'How long the oldest of them had been in the log, in ms: the highest of this minute; 0 when nothing waited.';
