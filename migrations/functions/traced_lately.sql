-- How the attempts went that ended in the 5 minutes before p_now. Retries to come have not ended their request, and are
-- in the mean time of all attempts only. Means are null where there is nothing to take them of.
CREATE OR REPLACE FUNCTION traced_lately(p_now timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT jsonb_build_object(
           'completed', coalesce(sum(k.attempts) FILTER (WHERE k.new_status = 'completed'), 0),
           'http_only', coalesce(sum(k.attempts) FILTER (WHERE k.new_status = 'completed' AND k.mode_used = 'http_only'), 0),
           'browser', coalesce(sum(k.attempts) FILTER (WHERE k.new_status = 'completed' AND k.mode_used = 'browser'), 0),
           'ended', coalesce(sum(k.attempts) FILTER (WHERE k.new_status <> 'pending'), 0),
           'auto', coalesce(sum(k.attempts) FILTER (WHERE k.is_auto AND k.new_status = 'completed'), 0),
           'auto_http_only', coalesce(sum(k.attempts) FILTER (WHERE k.is_auto AND k.new_status = 'completed' AND k.mode_used = 'http_only'), 0),
           'completed_ms', sum(k.trace_ms) FILTER (WHERE k.new_status = 'completed') / nullif(sum(k.traced) FILTER (WHERE k.new_status = 'completed'), 0),
           'attempt_ms', sum(k.trace_ms) / nullif(sum(k.traced), 0),
           'avg_wait_ms', round(sum(k.wait_ms) / nullif(sum(k.waited), 0)))
    FROM ended_by_kind(p_now - interval '5 minutes') AS k
$$;
REVOKE ALL ON FUNCTION traced_lately(timestamptz) FROM PUBLIC;
