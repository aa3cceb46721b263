-- Expand only, like those before.

-- By partition, the offset under which an event came again last. NULL: never, or to the version before.
ALTER TABLE processed_events ADD COLUMN IF NOT EXISTS redelivered jsonb;
-- Where the dead letter itself is. NULL: recorded by the version before.
ALTER TABLE dead_letters
    ADD COLUMN IF NOT EXISTS letter_partition integer,
    ADD COLUMN IF NOT EXISTS letter_offset bigint;
