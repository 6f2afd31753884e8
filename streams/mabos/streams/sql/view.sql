-- The view of one queue: its tables, in whatever schema search_path names first. Safe to repeat.
--
-- Everything here is made from the topics and can be made again from them. Nobody but the projector writes; whoever
-- reads sees whole batches only. Times are the append times of the log, unless a column says otherwise.

CREATE TABLE IF NOT EXISTS tasks (
    requested_at        timestamptz NOT NULL,
    request_offset      bigint,
    response_offset     bigint,
    deadline            timestamptz,
    started_at          timestamptz,
    answered_at         timestamptz,
    progress_at         timestamptz,
    progress_offset     bigint,
    cancel_requested_at timestamptz,
    partition           integer,
    response_partition  integer,
    progress_partition  integer,
    attempt             integer,
    duplicates          integer NOT NULL DEFAULT 0,
    superseded          integer NOT NULL DEFAULT 0,
    error_retryable     boolean,
    state               text COLLATE "C" NOT NULL,
    task_id             text COLLATE "C" NOT NULL,
    agent_id            text COLLATE "C" NOT NULL,
    action              text COLLATE "C",
    parent_task_id      text COLLATE "C",
    parent_agent_id     text COLLATE "C",
    replay_of_task_id   text COLLATE "C",
    replay_of_agent_id  text COLLATE "C",
    redrive_of_task_id  text COLLATE "C",
    redrive_of_agent_id text COLLATE "C",
    error_code          text,
    error_message       text,
    cancel_reason       text,
    payload             text,
    result              text,
    progress            text,
    PRIMARY KEY (task_id, agent_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

COMMENT ON TABLE tasks IS 'One row a task: a request and what became of it. It fills from requests, responses and cancels in any order.';
COMMENT ON COLUMN tasks.requested_at IS 'When the request was appended; as long as it was not read, when the first record about the task was. With task_id and agent_id the order of all lists.';
COMMENT ON COLUMN tasks.request_offset IS 'The request in the requests topic; NULL while it was not read. Of a request that was sent again, the first.';
COMMENT ON COLUMN tasks.response_offset IS 'The outcome, that is the first terminal response, in the responses topic; NULL while there is none.';
COMMENT ON COLUMN tasks.deadline IS 'After this the answer is of no more use, says the request; NULL for never.';
COMMENT ON COLUMN tasks.started_at IS 'When the attempt began that gave the outcome, or before that the last progress; by the clock of the worker. NULL when the handler never ran.';
COMMENT ON COLUMN tasks.answered_at IS 'When the outcome was appended.';
COMMENT ON COLUMN tasks.progress_at IS 'When the last in_progress response was appended.';
COMMENT ON COLUMN tasks.progress_offset IS 'The last in_progress response in the responses topic.';
COMMENT ON COLUMN tasks.cancel_requested_at IS 'When a cancel was first asked for; what became of it is the state.';
COMMENT ON COLUMN tasks.partition IS 'The partition of the request.';
COMMENT ON COLUMN tasks.response_partition IS 'The partition of the outcome: that of the request, unless a foreign program answered.';
COMMENT ON COLUMN tasks.progress_partition IS 'The partition of the last in_progress response.';
COMMENT ON COLUMN tasks.attempt IS 'Which attempt gave the outcome, or before that the last progress; from 1, 0 when the handler never ran.';
COMMENT ON COLUMN tasks.duplicates IS 'How many more times the request was sent.';
COMMENT ON COLUMN tasks.superseded IS 'How many terminal responses came after the outcome; they count for nothing.';
COMMENT ON COLUMN tasks.error_retryable IS 'Whether sending the task again could help, says the outcome; NULL without an error.';
COMMENT ON COLUMN tasks.state IS 'queued, in_progress, or the status of the outcome: completed, failed, rejected, cancelled, expired, timed_out. unasked: nothing but a cancel was read.';
COMMENT ON COLUMN tasks.task_id IS 'The name of the task, unique for its agent.';
COMMENT ON COLUMN tasks.agent_id IS 'The agent that shall do it.';
COMMENT ON COLUMN tasks.action IS 'The kind of task: payload.action, cut to 255 characters; NULL where it is no text.';
COMMENT ON COLUMN tasks.parent_task_id IS 'The task whose handler made this one (mabos-parent), with parent_agent_id.';
COMMENT ON COLUMN tasks.parent_agent_id IS 'The agent of that task.';
COMMENT ON COLUMN tasks.replay_of_task_id IS 'The task that this one does again (mabos-replay-of), with replay_of_agent_id.';
COMMENT ON COLUMN tasks.replay_of_agent_id IS 'The agent of that task.';
COMMENT ON COLUMN tasks.redrive_of_task_id IS 'The dead-lettered task that this one does again (mabos-redrive-of), with redrive_of_agent_id.';
COMMENT ON COLUMN tasks.redrive_of_agent_id IS 'The agent of that task.';
COMMENT ON COLUMN tasks.error_code IS 'Why the task did not complete, a word for programs; NULL when it did.';
COMMENT ON COLUMN tasks.error_message IS 'The same, a line for people.';
COMMENT ON COLUMN tasks.cancel_reason IS 'What the first cancel gave as its reason.';
COMMENT ON COLUMN tasks.payload IS 'The payload as it was sent: a JSON object, unless a foreign program sent something else.';
COMMENT ON COLUMN tasks.result IS 'The result of the outcome: a JSON object.';
COMMENT ON COLUMN tasks.progress IS 'The result of the last in_progress response: a JSON object.';

-- Lists are ordered by (requested_at, task_id, agent_id), newest first. The ids are not in the indexes: tasks of one
-- millisecond are few, sorting them costs less than writing both ids once more for each index.
CREATE INDEX IF NOT EXISTS tasks_by_time ON tasks (requested_at);
CREATE INDEX IF NOT EXISTS tasks_by_agent ON tasks (agent_id, requested_at);
CREATE INDEX IF NOT EXISTS tasks_by_state ON tasks (state, requested_at);
CREATE INDEX IF NOT EXISTS tasks_by_action ON tasks (action, requested_at);
CREATE INDEX IF NOT EXISTS tasks_by_parent ON tasks (parent_task_id, parent_agent_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_by_replayed ON tasks (replay_of_task_id, replay_of_agent_id) WHERE replay_of_task_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_by_redriven ON tasks (redrive_of_task_id, redrive_of_agent_id) WHERE redrive_of_task_id IS NOT NULL;
-- What the deadline watcher looks for.
CREATE INDEX IF NOT EXISTS tasks_by_deadline ON tasks (deadline) WHERE deadline IS NOT NULL AND response_offset IS NULL;

CREATE TABLE IF NOT EXISTS agent_minutes (
    minute      timestamptz NOT NULL,
    requested   integer NOT NULL DEFAULT 0,
    completed   integer NOT NULL DEFAULT 0,
    failed      integer NOT NULL DEFAULT 0,
    rejected    integer NOT NULL DEFAULT 0,
    cancelled   integer NOT NULL DEFAULT 0,
    expired     integer NOT NULL DEFAULT 0,
    timed_out   integer NOT NULL DEFAULT 0,
    wait_ms_sum bigint NOT NULL DEFAULT 0,
    run_ms_sum  bigint NOT NULL DEFAULT 0,
    agent_id    text COLLATE "C" NOT NULL,
    action      text COLLATE "C" NOT NULL,
    wait_counts integer[] NOT NULL DEFAULT '{}',
    run_counts  integer[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (agent_id, action, minute)
) WITH (fillfactor = 70);

COMMENT ON TABLE agent_minutes IS 'What an agent was asked and answered in one minute, by action. A task counts once, when both its request and its outcome were read.';
COMMENT ON COLUMN agent_minutes.minute IS 'The minute of the log in which the tasks were answered, and for requested, asked.';
COMMENT ON COLUMN agent_minutes.requested IS 'Tasks asked in this minute.';
COMMENT ON COLUMN agent_minutes.completed IS 'Tasks whose outcome in this minute was completed; the other states likewise.';
COMMENT ON COLUMN agent_minutes.failed IS 'As completed.';
COMMENT ON COLUMN agent_minutes.rejected IS 'As completed.';
COMMENT ON COLUMN agent_minutes.cancelled IS 'As completed.';
COMMENT ON COLUMN agent_minutes.expired IS 'As completed.';
COMMENT ON COLUMN agent_minutes.timed_out IS 'As completed.';
COMMENT ON COLUMN agent_minutes.wait_ms_sum IS 'The queue waits of the tasks that ran, added up: started_at - requested_at, at least 0.';
COMMENT ON COLUMN agent_minutes.run_ms_sum IS 'The run times of the tasks that ran, added up: answered_at - started_at, at least 0.';
COMMENT ON COLUMN agent_minutes.agent_id IS 'The agent.';
COMMENT ON COLUMN agent_minutes.action IS 'As tasks.action, empty where that is NULL.';
COMMENT ON COLUMN agent_minutes.wait_counts IS 'How many queue waits fell into each bucket. Element 1 counts those below 1 ms, element i+1 those from 2^((i-1)/4) to 2^(i/4) ms; what is beyond 2^29 ms is in the last, element 118. The array ends with the last bucket in use.';
COMMENT ON COLUMN agent_minutes.run_counts IS 'How many run times fell into each bucket, as wait_counts.';

CREATE INDEX IF NOT EXISTS agent_minutes_by_minute ON agent_minutes (minute);

CREATE TABLE IF NOT EXISTS partitions (
    topic       text COLLATE "C" NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    epoch       bigint NOT NULL,
    applied_at  timestamptz NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

COMMENT ON TABLE partitions IS 'How far the view has read each partition, and whose it is.';
COMMENT ON COLUMN partitions.topic IS 'The topic.';
COMMENT ON COLUMN partitions.partition IS 'Its partition.';
COMMENT ON COLUMN partitions.next_offset IS 'Every record before this offset is in the view.';
COMMENT ON COLUMN partitions.epoch IS 'How many times a projector has taken the partition; a batch under an older epoch changes nothing.';
COMMENT ON COLUMN partitions.applied_at IS 'When the last batch was applied, by the clock of the database.';

CREATE TABLE IF NOT EXISTS poisoned (
    topic     text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    code      text NOT NULL,
    cause     text NOT NULL,
    noted_at  timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

COMMENT ON TABLE poisoned IS 'Records that the view could not take, and has passed.';
COMMENT ON COLUMN poisoned.topic IS 'The topic.';
COMMENT ON COLUMN poisoned.partition IS 'Its partition.';
COMMENT ON COLUMN poisoned."offset" IS 'The record.';
COMMENT ON COLUMN poisoned.code IS 'What is wrong, a word for programs: a code of the codec, bad_key when a request has another key than its agent_id, or database when PostgreSQL refuses it.';
COMMENT ON COLUMN poisoned.cause IS 'The same, a line for people.';
COMMENT ON COLUMN poisoned.noted_at IS 'When the record was appended.';

CREATE TABLE IF NOT EXISTS view_version (version integer PRIMARY KEY);

COMMENT ON TABLE view_version IS 'The version of these tables, one row.';
COMMENT ON COLUMN view_version.version IS 'Counts up with each change of them; a view of another version is rebuilt.';

INSERT INTO view_version SELECT 1 WHERE NOT EXISTS (SELECT FROM view_version);
