-- Everything the edge ever says to the database.

-- name: record_clicks
-- A batch of clicks becomes rows; those that are rows already are passed over.
-- $1 jsonb array of clicks, $2 bigint this machine's clock in ms since 1970
SELECT record_clicks($1::jsonb, $2::bigint);

-- name: quarantine_click
-- A click that the database refuses is put aside, as it was spooled.
-- $1 uuid or NULL if it can't be read, $2 text incarnation of this edge, $3 text the refusal,
-- $4 bytea the spooled bytes
INSERT INTO spool_quarantine (request_id, edge, error, payload)
VALUES ($1::uuid, $2::text, $3::text, $4::bytea)
    ON CONFLICT DO NOTHING;

-- name: active_offers
-- All offers as one JSON array, always in the same order: what is in memory and in the snapshot file.
SELECT coalesce(jsonb_agg(to_jsonb(o) ORDER BY o.offer_name), '[]'::jsonb)::text AS offers
  FROM active_offers() AS o;

-- name: heartbeat
-- This process lives, and how it is; and which database is it that hears so?
-- $1 jsonb, see process_heartbeat()
SELECT process_heartbeat($1::jsonb), server_identity() AS server;
