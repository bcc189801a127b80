-- The dashboard's first page: the state of pool and queue, how fast things go, which processes live, what alerts say.
-- Rates are of the last minute, percentiles of the last five, and of the newest 10,000 attempts in them. A process not heard of for p_silence_ms counts as gone.
CREATE OR REPLACE FUNCTION dashboard_overview(p_silence_ms integer) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off   -- many partitions look costly, and compiling for them takes longer than reading
AS $$
DECLARE
  v_now       timestamptz := clock_timestamp();
  v_queue     jsonb;
  v_clicks    jsonb;
  v_traces    jsonb;
  v_ends      jsonb;
  v_processes jsonb;
  v_state     jsonb := pool_state(v_now);
BEGIN
  -- Since when the most overdue request of each country could have been claimed.
  SELECT coalesce(jsonb_object_agg(place.country, greatest(0, ceil(extract(epoch FROM v_now - first.due_at)))), '{}')
    INTO v_queue
    FROM queue_countries() AS place (country)
   CROSS JOIN LATERAL (SELECT min(t.next_attempt_at) AS due_at
                         FROM active_trace_requests t
                        WHERE t.target_country = place.country AND t.next_attempt_at IS NOT NULL) AS first
   WHERE first.due_at <= v_now;

  SELECT jsonb_build_object('last_minute', count(*), 'skipped', count(*) FILTER (WHERE t.status = 'skipped'))
    INTO v_clicks
    FROM active_trace_requests t
   WHERE t.started_at > v_now - interval '1 minute' AND t.started_at <= v_now;

  SELECT jsonb_build_object(
           'last_minute', coalesce((SELECT sum(k.attempts) FROM ended_by_kind(v_now - interval '1 minute') AS k WHERE k.new_status <> 'pending'), 0),
           'wait_ms', to_jsonb(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY a.wait_ms)),
           'trace_ms', to_jsonb(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY a.trace_ms)
                                FILTER (WHERE a.new_status = 'completed')))
    INTO v_traces
    FROM (SELECT b.new_status, b.wait_ms, b.trace_ms
            FROM trace_attempts b
           WHERE b.ended_at > v_now - interval '5 minutes'
           ORDER BY b.ended_at DESC
           LIMIT 10000) AS a;

  SELECT jsonb_build_object('http_only', v_state #> '{inside,lately,http_only}', 'browser', v_state #> '{inside,lately,browser}',
                            'retries', coalesce(sum(e.traces) FILTER (WHERE e.status = 'pending'), 0)) || v_traces,
         coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.traces DESC, e.mode, e.outcome, e.status) FILTER (WHERE e.status <> 'pending'), '[]')
    INTO v_traces, v_ends
    FROM (SELECT coalesce(k.mode_used, 'none') AS mode, k.outcome, k.new_status AS status, sum(k.attempts) AS traces
            FROM ended_by_kind(v_now - interval '5 minutes') AS k
           GROUP BY 1, 2, 3) AS e;

  SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.program, p.host, p.started_at), '[]')
    INTO v_processes
    FROM (SELECT h.incarnation, h.program, h.host, h.pid, h.version, h.started_at, h.spool_age_s,
                 greatest(0, round(extract(epoch FROM v_now - h.seen_at), 1)) AS seen_s_ago,
                 h.seen_at > v_now - p_silence_ms * interval '1 ms' AS is_live
            FROM process_heartbeats h
           WHERE h.seen_at > v_now - interval '1 hour'
           ORDER BY h.seen_at DESC
           LIMIT 200) AS p;

  RETURN jsonb_build_object(
    'now', v_now, 'status', v_state - 'inside', 'promises', promises(v_state), 'queue_age_s', v_queue, 'clicks', v_clicks, 'traces', v_traces,
    'ends', v_ends, 'processes', v_processes, 'alerts', dashboard_alerts(),
    'cooldown_s', (SELECT policy.cooldown_s FROM trace_policy policy));
END $$;
COMMENT ON FUNCTION dashboard_overview(integer) IS 'The dashboard''s first page as one JSON object.';
REVOKE ALL ON FUNCTION dashboard_overview(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_overview(integer) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
