-- What a batch changes in the counts of agents, in an order in which two projectors do not wait for each other.
INSERT INTO agent_states AS s (agent_id, state, tasks, is_forgotten)
SELECT agent_id, state, tasks, false
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS changed (agent_id, state, tasks)
ORDER BY agent_id COLLATE "C", state COLLATE "C"
ON CONFLICT (agent_id, state, is_forgotten) DO UPDATE SET tasks = s.tasks + excluded.tasks
