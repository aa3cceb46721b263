-- Of an event's data, so that a batch is measured before it is read. NULL: written by the version before.
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS bytes integer;
