-- Expand only: the version before this one works on these tables too, and the two run side by side. It compares `digest`,
-- which is therefore still written though this version compares values; to drop it, and to make source and id the key, is
-- the next version's.

-- An event is told by source and id. No source: written by the version before. The first source to use an id has it as
-- its row's id; another source's row is called by the SHA-256 of its source, a line break, and the id.
ALTER TABLE processed_events ADD COLUMN IF NOT EXISTS source text;
ALTER TABLE effects ADD COLUMN IF NOT EXISTS source text;
-- No source: one that could not be read, too.
ALTER TABLE failed_events ADD COLUMN IF NOT EXISTS source text;
-- size is the original's in bytes where `original` has only its beginning.
ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS source text, ADD COLUMN IF NOT EXISTS size bigint;

-- resent counts how often an event that was published and not applied was sent again.
ALTER TABLE outbox
    ADD COLUMN IF NOT EXISTS resent integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS traceparent text,
    ADD COLUMN IF NOT EXISTS tracestate text;
-- Few rows unless Kafka is away.
CREATE INDEX IF NOT EXISTS outbox_by_age ON outbox (created_at);
