-- The counts of those agents that have no task any more.
DELETE FROM agent_states s
USING (
    SELECT agent_id FROM agent_states WHERE agent_id = ANY (%s) GROUP BY agent_id HAVING sum(tasks) = 0
) AS gone
WHERE s.agent_id = gone.agent_id
