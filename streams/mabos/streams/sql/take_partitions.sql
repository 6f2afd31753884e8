-- Partitions are ours from now on, whoever had them before.
INSERT INTO partitions AS p (topic, partition, next_offset, epoch, applied_at)
SELECT topic, partition, 0, 1, now()
FROM unnest(%s::text[], %s::integer[]) AS wanted (topic, partition)
ORDER BY topic, partition
ON CONFLICT (topic, partition) DO UPDATE SET epoch = p.epoch + 1
RETURNING topic, partition, next_offset, epoch
