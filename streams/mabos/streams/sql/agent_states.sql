-- How many tasks there are, by agent and state, in whatever schema search_path names first.
--
-- A file of its own, since views that were made before it get this table beside their own, with what their tasks count.

LOCK TABLE partitions IN EXCLUSIVE MODE; -- no batch is applied between counting and the end of this transaction

CREATE TABLE agent_states (
    tasks        bigint NOT NULL,
    is_forgotten boolean NOT NULL,
    agent_id     text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL,
    PRIMARY KEY (agent_id, state, is_forgotten)
) WITH (fillfactor = 50);

COMMENT ON TABLE agent_states IS 'How many rows tasks has of an agent and state: the sum of the one or two rows here. Changed with them, in one transaction.';
COMMENT ON COLUMN agent_states.tasks IS 'Tasks that came into this state, less those that left it; where is_forgotten, less those that retention deleted in it.';
COMMENT ON COLUMN agent_states.is_forgotten IS 'Whether this row is that of retention: so who deletes old tasks and who applies batches do not wait for each other.';
COMMENT ON COLUMN agent_states.agent_id IS 'The agent.';
COMMENT ON COLUMN agent_states.state IS 'As tasks.state.';

INSERT INTO agent_states (tasks, is_forgotten, agent_id, state)
SELECT count(*), false, agent_id, state FROM tasks GROUP BY agent_id, state;

-- The oldest task that waits for an agent.
CREATE INDEX IF NOT EXISTS tasks_waiting ON tasks (agent_id, requested_at) WHERE state IN ('queued', 'in_progress');
