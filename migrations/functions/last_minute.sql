-- What came and what ended in the minute before p_now, for a snapshot's rates. Reads the ends of two indexes.
CREATE OR REPLACE FUNCTION last_minute(p_now timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT jsonb_build_object(
           'clicks', came.clicks, 'skipped', came.skipped,
           'http_only', ended.http_only, 'browser', ended.browser, 'failed', ended.failed)
    FROM (SELECT count(*) AS clicks, count(*) FILTER (WHERE t.status = 'skipped') AS skipped
            FROM active_trace_requests t
           WHERE t.started_at > p_now - interval '1 minute' AND t.started_at <= p_now) AS came
   CROSS JOIN (SELECT count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'http_only') AS http_only,
                      count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'browser') AS browser,
                      count(*) FILTER (WHERE a.new_status IN ('failed', 'timeout')) AS failed
                 FROM trace_attempts a
                WHERE a.ended_at > p_now - interval '1 minute' AND a.ended_at <= p_now) AS ended
$$;
REVOKE ALL ON FUNCTION last_minute(timestamptz) FROM PUBLIC;
