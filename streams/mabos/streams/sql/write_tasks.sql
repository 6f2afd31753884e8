-- The rows of a batch, as they are now. What is large and did not change was not sent.
INSERT INTO tasks AS t (
    requested_at, request_offset, response_offset, deadline, started_at, answered_at, progress_at, progress_offset,
    cancel_requested_at, partition, response_partition, progress_partition, attempt, duplicates, superseded,
    error_retryable, state, task_id, agent_id, action, parent_task_id, parent_agent_id, replay_of_task_id,
    replay_of_agent_id, redrive_of_task_id, redrive_of_agent_id, error_code, error_message, cancel_reason, payload,
    result, progress
)
SELECT 'epoch'::timestamptz + requested_ms * interval '1 ms', request_offset, response_offset,
       'epoch'::timestamptz + deadline_ms * interval '1 ms', 'epoch'::timestamptz + started_ms * interval '1 ms',
       'epoch'::timestamptz + answered_ms * interval '1 ms', 'epoch'::timestamptz + progress_ms * interval '1 ms',
       progress_offset, 'epoch'::timestamptz + cancel_requested_ms * interval '1 ms', partition, response_partition,
       progress_partition, attempt, duplicates, superseded, error_retryable, state, task_id, agent_id, action,
       parent_task_id, parent_agent_id, replay_of_task_id, replay_of_agent_id, redrive_of_task_id,
       redrive_of_agent_id, error_code, error_message, cancel_reason, payload, result, progress
FROM new_tasks
ON CONFLICT (task_id, agent_id) DO UPDATE SET
    requested_at = excluded.requested_at, request_offset = excluded.request_offset,
    response_offset = excluded.response_offset, deadline = excluded.deadline, started_at = excluded.started_at,
    answered_at = excluded.answered_at, progress_at = excluded.progress_at, progress_offset = excluded.progress_offset,
    cancel_requested_at = excluded.cancel_requested_at, partition = excluded.partition,
    response_partition = excluded.response_partition, progress_partition = excluded.progress_partition,
    attempt = excluded.attempt, duplicates = excluded.duplicates, superseded = excluded.superseded,
    error_retryable = excluded.error_retryable, state = excluded.state, action = excluded.action,
    parent_task_id = excluded.parent_task_id, parent_agent_id = excluded.parent_agent_id,
    replay_of_task_id = excluded.replay_of_task_id, replay_of_agent_id = excluded.replay_of_agent_id,
    redrive_of_task_id = excluded.redrive_of_task_id, redrive_of_agent_id = excluded.redrive_of_agent_id,
    error_code = excluded.error_code, error_message = excluded.error_message, cancel_reason = excluded.cancel_reason,
    payload = coalesce(excluded.payload, t.payload), result = coalesce(excluded.result, t.result),
    progress = coalesce(excluded.progress, t.progress)
