-- What came and what ended in the minute before p_now, for a snapshot's rates.
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
   CROSS JOIN (SELECT coalesce(sum(k.attempts) FILTER (WHERE k.new_status = 'completed' AND k.mode_used = 'http_only'), 0) AS http_only,
                      coalesce(sum(k.attempts) FILTER (WHERE k.new_status = 'completed' AND k.mode_used = 'browser'), 0) AS browser,
                      coalesce(sum(k.attempts) FILTER (WHERE k.new_status IN ('failed', 'timeout')), 0) AS failed
                 FROM ended_by_kind(p_now - interval '1 minute', p_now) AS k) AS ended
$$;
REVOKE ALL ON FUNCTION last_minute(timestamptz) FROM PUBLIC;
