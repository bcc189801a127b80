-- What a snapshot keeps of each country: its part of the pool, its queue, and how the attempts went that ended in the
-- last 5 minutes. A country with requests and no IP is there too. Waits and times are null where nothing ended.
-- p_status is what pool_state() says.
CREATE OR REPLACE FUNCTION country_breakdown(p_status jsonb, p_now timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  WITH ended AS (
    SELECT c.country, round(sum(c.wait_ms) / nullif(sum(c.waited), 0)) AS wait_ms,
           round(sum(c.trace_ms) / nullif(sum(c.traced), 0)) AS trace_ms, sum(c.completed) AS completed, sum(c.failed) AS failed
      FROM ended_by_country(p_now - interval '5 minutes') AS c
     GROUP BY c.country
  ), place AS (
    SELECT pool.key AS country FROM jsonb_each(p_status->'pool_summary') AS pool
     UNION
    SELECT work.key FROM jsonb_each(p_status #> '{active_requests,by_country}') AS work
  )
  SELECT coalesce(jsonb_object_agg(place.country,
           coalesce(p_status #> ARRAY['pool_summary', place.country],
                    '{"total": 0, "available": 0, "locked": 0, "cooldown": 0, "healthy": 0, "unhealthy": 0}')
           || jsonb_build_object(
                'pending', coalesce(p_status #> ARRAY['inside', 'work', place.country, 'pending'], '0'),
                'processing', coalesce(p_status #> ARRAY['inside', 'work', place.country, 'processing'], '0'),
                'avg_wait_time_ms', ended.wait_ms, 'avg_trace_time_ms', ended.trace_ms,
                'completed', coalesce(ended.completed, 0), 'failed', coalesce(ended.failed, 0))), '{}')
    FROM place
    LEFT JOIN ended USING (country)
$$;
REVOKE ALL ON FUNCTION country_breakdown(jsonb, timestamptz) FROM PUBLIC;
