-- What a batch adds to the minutes. Two histograms are added bucket by bucket; the shorter one lacks zeros at its end.
INSERT INTO agent_minutes AS m (
    agent_id, action, minute, requested, completed, failed, rejected, cancelled, expired, timed_out,
    wait_ms_sum, run_ms_sum, wait_counts, run_counts
)
SELECT agent_id, action, 'epoch'::timestamptz + minute_ms * interval '1 ms', requested, completed, failed, rejected,
       cancelled, expired, timed_out, wait_ms_sum, run_ms_sum, wait_counts, run_counts
FROM new_minutes
ON CONFLICT (agent_id, action, minute) DO UPDATE SET
    requested = m.requested + excluded.requested, completed = m.completed + excluded.completed,
    failed = m.failed + excluded.failed, rejected = m.rejected + excluded.rejected,
    cancelled = m.cancelled + excluded.cancelled, expired = m.expired + excluded.expired,
    timed_out = m.timed_out + excluded.timed_out,
    wait_ms_sum = m.wait_ms_sum + excluded.wait_ms_sum, run_ms_sum = m.run_ms_sum + excluded.run_ms_sum,
    wait_counts = ARRAY(
        SELECT coalesce(a, 0) + coalesce(b, 0)
        FROM unnest(m.wait_counts, excluded.wait_counts) WITH ORDINALITY AS both_counts (a, b, bucket) ORDER BY bucket
    ),
    run_counts = ARRAY(
        SELECT coalesce(a, 0) + coalesce(b, 0)
        FROM unnest(m.run_counts, excluded.run_counts) WITH ORDINALITY AS both_counts (a, b, bucket) ORDER BY bucket
    )
