-- The rows of a batch's tasks as they are, without what is large.
SELECT t.task_id, t.agent_id, (extract(epoch FROM t.requested_at) * 1000)::bigint, t.partition, t.request_offset,
       (extract(epoch FROM t.deadline) * 1000)::bigint, t.action, t.duplicates,
       t.parent_task_id, t.parent_agent_id, t.replay_of_task_id, t.replay_of_agent_id,
       t.redrive_of_task_id, t.redrive_of_agent_id,
       t.response_partition, t.response_offset, (extract(epoch FROM t.answered_at) * 1000)::bigint, t.state,
       t.superseded, t.attempt, (extract(epoch FROM t.started_at) * 1000)::bigint,
       t.error_code, t.error_message, t.error_retryable,
       t.progress_partition, t.progress_offset, (extract(epoch FROM t.progress_at) * 1000)::bigint,
       (extract(epoch FROM t.cancel_requested_at) * 1000)::bigint, t.cancel_reason
FROM unnest(%s::text[], %s::text[]) AS wanted (task_id, agent_id)
JOIN tasks t ON t.task_id = wanted.task_id COLLATE "C" AND t.agent_id = wanted.agent_id COLLATE "C"
