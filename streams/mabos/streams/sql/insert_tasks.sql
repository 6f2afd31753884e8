-- The rows of a batch that were not there before. Where another projector wrote one meanwhile, it is told so.
INSERT INTO tasks (
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
WHERE is_new
