-- How many requests wait, by country. Counts up to 10,000 in each; what lies beyond is taken from the index's own
-- estimate, since counting millions of rows every few seconds would be the heaviest query of the house.
CREATE OR REPLACE FUNCTION queue_depths() RETURNS TABLE (country text, pending bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
  WITH counted AS (
    SELECT place.country, few.n
      FROM queue_countries() AS place (country)
     CROSS JOIN LATERAL (
           SELECT count(*) AS n
             FROM (SELECT
                     FROM active_trace_requests t
                    WHERE t.target_country = place.country AND t.next_attempt_at IS NOT NULL
                    LIMIT 10000) AS waiting) AS few
  ), estimate AS (   -- shared by the countries whose count stopped
    SELECT greatest(0, (SELECT c.reltuples::bigint FROM pg_class c
                         WHERE c.oid = 'active_trace_requests_due'::regclass)
                       - coalesce(sum(counted.n) FILTER (WHERE counted.n < 10000), 0))
           / nullif(count(*) FILTER (WHERE counted.n >= 10000), 0) AS share
      FROM counted
  )
  SELECT counted.country, CASE WHEN counted.n < 10000 THEN counted.n ELSE greatest(counted.n, estimate.share)::bigint END
    FROM counted
   CROSS JOIN estimate
$$;
REVOKE ALL ON FUNCTION queue_depths() FROM PUBLIC;
