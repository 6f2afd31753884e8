-- The oldest tasks, a few at a time: the index by time leads to them, and the projector goes on in between. Gives how
-- many they were, and whose.
WITH gone AS (
    DELETE FROM tasks
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM tasks WHERE requested_at < %s ORDER BY requested_at LIMIT %s))
    RETURNING agent_id, state
), counted AS (
    INSERT INTO agent_states AS s (agent_id, state, tasks, is_forgotten)
    SELECT agent_id, state, -count(*), true FROM gone GROUP BY agent_id, state ORDER BY agent_id, state
    ON CONFLICT (agent_id, state, is_forgotten) DO UPDATE SET tasks = s.tasks + excluded.tasks
)
SELECT count(*), array_agg(DISTINCT agent_id) FROM gone
