-- What the charts draw: snapshots of the last p_span_s seconds, put together into about 180 points. Gauges are averages
-- of their point, the queue and what was answered late their maximum; clicks and traces are those of a second. A stretch
-- without snapshots has no point: a gap is a gap.
CREATE OR REPLACE FUNCTION dashboard_history(p_span_s integer) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off   -- many partitions look costly, and compiling for them takes longer than reading
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_span_s integer := least(greatest(coalesce(p_span_s, 3600), 60), 31 * 86400);
  v_step_s integer := greatest(v_span_s / 180, 1);
  v_points jsonb;
BEGIN
  SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.t), '[]')
    INTO v_points
    FROM (SELECT (floor(extract(epoch FROM s.recorded_at) / v_step_s) * v_step_s)::bigint AS t,
                 round(avg(s.pool_utilization_percent), 1) AS utilization,
                 max(s.requests_queued) AS queued,
                 round(avg(s.avg_wait_time_ms)) AS wait_ms,
                 round(avg(nullif(s.avg_trace_time_ms, 0))) AS trace_ms,
                 round(avg(s.success_rate_5min), 1) AS success,
                 round(avg(s.completed_requests_1h)) AS completed_1h,
                 round(avg(s.failed_requests_1h)) AS failed_1h,
                 round(avg((s.last_minute->>'clicks')::numeric) / 60, 3) AS clicks,
                 round(avg((s.last_minute->>'skipped')::numeric) / 60, 3) AS skipped,
                 round(avg((s.last_minute->>'http_only')::numeric) / 60, 3) AS http_only,
                 round(avg((s.last_minute->>'browser')::numeric) / 60, 3) AS browser,
                 round(avg((s.last_minute->>'failed')::numeric) / 60, 3) AS failed,
                 round(max((s.promises #>> '{edge,over_200ms_percent}')::numeric), 4) AS over_200ms,
                 round(max((s.promises #>> '{edge,over_500ms_percent}')::numeric), 4) AS over_500ms
            FROM ip_pool_statistics s
           WHERE s.recorded_at > v_now - v_span_s * interval '1 s' AND s.recorded_at <= v_now
           GROUP BY 1) AS p;
  RETURN jsonb_build_object('from', floor(extract(epoch FROM v_now))::bigint - v_span_s,
                            'to', floor(extract(epoch FROM v_now))::bigint, 'step_s', v_step_s, 'points', v_points);
END $$;
COMMENT ON FUNCTION dashboard_history(integer) IS 'ip_pool_statistics of the last seconds, thinned for a chart.';
REVOKE ALL ON FUNCTION dashboard_history(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_history(integer) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
