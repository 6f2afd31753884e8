-- What waits now in partitions that are still ours.
INSERT INTO backlog_minutes AS b (minute, partition, queued, oldest_ms)
SELECT date_trunc('minute', %(at)s::timestamptz), p.partition, coalesce(waiting.tasks, 0),
       greatest(0, coalesce(extract(epoch FROM %(at)s::timestamptz - waiting.oldest) * 1000, 0))
FROM unnest(%(partitions)s::integer[], %(epochs)s::bigint[]) AS ours (partition, epoch)
JOIN partitions p ON p.topic = %(topic)s COLLATE "C" AND p.partition = ours.partition AND p.epoch = ours.epoch
LEFT JOIN (
    SELECT partition, count(*) AS tasks, min(requested_at) AS oldest FROM tasks WHERE state = 'queued' GROUP BY 1
) AS waiting ON waiting.partition = p.partition
ON CONFLICT (minute, partition) DO UPDATE
SET queued = greatest(b.queued, excluded.queued), oldest_ms = greatest(b.oldest_ms, excluded.oldest_ms)
