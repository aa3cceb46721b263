-- What the agent's statement does to one event, done to as many as there are; no id may be among them twice.
WITH given AS MATERIALIZED (
    SELECT "row", id, source, own, key, message, metadata::jsonb AS metadata, amount, "partition", "offset", digest, place
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::numeric[], $9::integer[],
        $10::bigint[], $11::bytea[]
    ) WITH ORDINALITY
        AS one ("row", id, source, own, key, message, metadata, amount, "partition", "offset", digest, place)
), delivered AS (
    INSERT INTO processed_events AS processed (id, source, key, message, metadata, "partition", "offset", digest)
    SELECT "row", source, key, message, metadata, "partition", "offset", digest FROM given ORDER BY "row"
    ON CONFLICT (id) DO UPDATE SET deliveries = processed.deliveries + (
        coalesce(processed.source = excluded.source, true)
        AND processed.message = excluded.message AND processed.metadata = excluded.metadata
    )::integer, redelivered = CASE WHEN excluded."partition" IS NULL THEN processed.redelivered
        ELSE coalesce(processed.redelivered, '{}') || jsonb_build_object(excluded."partition", excluded."offset") END
    RETURNING id AS "row", deliveries, source, message, metadata
), compared AS (
    SELECT given.*, deliveries, delivered.source AS known,
        delivered.message = given.message AND delivered.metadata = given.metadata AS same_data
    FROM given JOIN delivered USING ("row")
), judged AS (
    SELECT *, coalesce(known = source, own OR same_data) AS mine FROM compared
), fresh AS (
    SELECT * FROM judged WHERE deliveries = 1 AND mine AND same_data
), effect AS (
    INSERT INTO effects (event_id, source, key, amount) SELECT id, source, key, amount FROM fresh ORDER BY place
), total AS (
    INSERT INTO totals (key, count, amount) SELECT key, count(*), sum(amount) FROM fresh GROUP BY key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET count = totals.count + excluded.count, amount = totals.amount + excluded.amount
)
SELECT deliveries, mine, same_data FROM judged ORDER BY place
