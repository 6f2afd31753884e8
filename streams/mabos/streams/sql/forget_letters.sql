-- The oldest dead letters, a few at a time, as tasks are forgotten.
DELETE FROM dead_letters
WHERE ctid = ANY (ARRAY(SELECT ctid FROM dead_letters WHERE dead_at < %s ORDER BY dead_at LIMIT %s))
