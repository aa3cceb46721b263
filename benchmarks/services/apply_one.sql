-- What the agent does to events, done to one: as a consumer writes it that applies each in a transaction.
WITH delivered AS (
    INSERT INTO processed_events AS processed (id, source, key, message, metadata, "partition", "offset", digest)
    VALUES ($1, $3, $5, $6, $7, $9, $10, $11)
    ON CONFLICT (id) DO UPDATE SET deliveries = processed.deliveries + (
        coalesce(processed.source = excluded.source, true)
        AND processed.message = excluded.message AND processed.metadata = excluded.metadata
    )::integer, redelivered = CASE WHEN excluded."partition" IS NULL THEN processed.redelivered
        ELSE coalesce(processed.redelivered, '{}') || jsonb_build_object(excluded."partition", excluded."offset") END
    RETURNING deliveries, source, message = $6 AND metadata = $7 AS same_data
), judged AS (
    SELECT deliveries, same_data, coalesce(source = $3, $4::boolean OR same_data) AS mine FROM delivered
), effect AS (
    INSERT INTO effects (event_id, source, key, amount)
    SELECT $2, $3, $5, $8 FROM judged WHERE deliveries = 1 AND mine AND same_data
), total AS (
    INSERT INTO totals (key, count, amount)
    SELECT $5, 1, $8 FROM judged WHERE deliveries = 1 AND mine AND same_data
    ON CONFLICT (key) DO UPDATE SET count = totals.count + 1, amount = totals.amount + excluded.amount
)
SELECT deliveries, mine, same_data FROM judged
