-- What the handler made of each event. deliveries counts redeliveries too.
CREATE TABLE IF NOT EXISTS processed_events (
    id          text PRIMARY KEY,
    key         text NOT NULL,
    message     text NOT NULL,
    metadata    jsonb NOT NULL,
    deliveries  integer NOT NULL DEFAULT 1,
    "partition" integer,
    "offset"    bigint,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp()
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

-- Events whose handling failed for another reason than a dependency that is away.
CREATE TABLE IF NOT EXISTS failed_events (
    id               text PRIMARY KEY,
    reason           text NOT NULL,
    attempts         integer NOT NULL DEFAULT 1,
    "partition"      integer,
    "offset"         bigint,
    first_failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_failed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    dead_lettered_at timestamptz
);
