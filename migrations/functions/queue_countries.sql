-- Every country that a request waits for; jumps through the queue's index instead of reading the queue.
CREATE OR REPLACE FUNCTION queue_countries() RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
  WITH RECURSIVE found AS (
    (SELECT target_country AS country
       FROM active_trace_requests
      WHERE next_attempt_at IS NOT NULL
      ORDER BY target_country
      LIMIT 1)
    UNION ALL
    SELECT (SELECT t.target_country
              FROM active_trace_requests t
             WHERE t.next_attempt_at IS NOT NULL AND t.target_country > found.country
             ORDER BY t.target_country
             LIMIT 1)
      FROM found
     WHERE found.country IS NOT NULL
  )
  SELECT country FROM found WHERE country IS NOT NULL
$$;
REVOKE ALL ON FUNCTION queue_countries() FROM PUBLIC;
