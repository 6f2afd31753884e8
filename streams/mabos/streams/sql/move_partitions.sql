-- The fence: a batch counts only while its partitions are still ours, and where we left them.
UPDATE partitions
SET next_offset = moved.after, applied_at = now()
FROM unnest(%s::text[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])
     AS moved (topic, partition, epoch, before, after)
WHERE partitions.topic = moved.topic COLLATE "C" AND partitions.partition = moved.partition
  AND partitions.epoch = moved.epoch AND partitions.next_offset = moved.before
