-- The oldest tasks, a few at a time: the index by time leads to them, and the projector goes on in between.
DELETE FROM tasks
WHERE ctid = ANY (ARRAY(SELECT ctid FROM tasks WHERE requested_at < %s ORDER BY requested_at LIMIT %s))
