-- What the handler made of each event. deliveries counts redeliveries too.
CREATE TABLE IF NOT EXISTS processed_events (
    id          text PRIMARY KEY,
    key         text NOT NULL,
    message     text NOT NULL,
    metadata    jsonb NOT NULL,
    deliveries  integer NOT NULL DEFAULT 1,
    "partition" integer,
    "offset"    bigint,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest      bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS processed_events_by_key ON processed_events (key, applied_at);

-- One row per effect; deliberately not unique by event, so that an event applied twice would show.
CREATE TABLE IF NOT EXISTS effects (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   text NOT NULL,
    key        text NOT NULL,
    amount     numeric NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS totals (
    key    text PRIMARY KEY,
    count  bigint NOT NULL,
    amount numeric NOT NULL
);

-- Events whose handling failed for another reason than a dependency that is away; other data under the same id is
-- another failure.
CREATE TABLE IF NOT EXISTS failed_events (
    id               text NOT NULL,
    reason           text NOT NULL,
    attempts         integer NOT NULL DEFAULT 1,
    "partition"      integer,
    "offset"         bigint,
    first_failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_failed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    dead_lettered_at timestamptz,
    digest           bytea NOT NULL,
    PRIMARY KEY (id, digest)
);

-- Events that are still to be published, and those published that are still to be applied.
CREATE TABLE IF NOT EXISTS outbox (
    id           text PRIMARY KEY,
    number       bigint GENERATED ALWAYS AS IDENTITY,
    key          text NOT NULL,
    data         json NOT NULL,
    digest       bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_to_publish ON outbox (key, number) WHERE published_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_to_apply ON outbox (number) WHERE published_at IS NOT NULL;

-- What is in the dead letter topic. position is the original record's where that is known, else the dead letter's own,
-- with a digest of the record.
CREATE TABLE IF NOT EXISTS dead_letters (
    position    text PRIMARY KEY,
    "partition" integer,
    "offset"    bigint,
    id          text NOT NULL,
    reason      text NOT NULL,
    attempts    integer NOT NULL,
    key         text NOT NULL,
    original    bytea NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_at timestamptz
);
CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
