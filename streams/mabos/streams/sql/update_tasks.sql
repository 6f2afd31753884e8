-- The rows of a batch that were there before, as they are now. What is large and did not change was not sent.
UPDATE tasks t SET
    requested_at = 'epoch'::timestamptz + n.requested_ms * interval '1 ms', request_offset = n.request_offset,
    response_offset = n.response_offset, deadline = 'epoch'::timestamptz + n.deadline_ms * interval '1 ms',
    started_at = 'epoch'::timestamptz + n.started_ms * interval '1 ms',
    answered_at = 'epoch'::timestamptz + n.answered_ms * interval '1 ms',
    progress_at = 'epoch'::timestamptz + n.progress_ms * interval '1 ms', progress_offset = n.progress_offset,
    cancel_requested_at = 'epoch'::timestamptz + n.cancel_requested_ms * interval '1 ms', partition = n.partition,
    response_partition = n.response_partition, progress_partition = n.progress_partition, attempt = n.attempt,
    duplicates = n.duplicates, superseded = n.superseded, error_retryable = n.error_retryable, state = n.state,
    action = n.action, parent_task_id = n.parent_task_id, parent_agent_id = n.parent_agent_id,
    replay_of_task_id = n.replay_of_task_id, replay_of_agent_id = n.replay_of_agent_id,
    redrive_of_task_id = n.redrive_of_task_id, redrive_of_agent_id = n.redrive_of_agent_id, error_code = n.error_code,
    error_message = n.error_message, cancel_reason = n.cancel_reason, payload = coalesce(n.payload, t.payload),
    result = coalesce(n.result, t.result), progress = coalesce(n.progress, t.progress)
FROM new_tasks n
WHERE NOT n.is_new AND t.task_id = n.task_id AND t.agent_id = n.agent_id
