-- What pool_monitor() shows, and under "inside" what a snapshot and the dashboard's first page need beyond it, so that
-- queue, pool and ended attempts are counted once for all of them:
-- {"pool": {"total", "available", "locked", "cooldown", "failed"}, "work": {country: {"pending", "processing"}}, "lately": traced_lately()}
CREATE OR REPLACE FUNCTION pool_state(p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_lately      jsonb := traced_lately(p_now);
  v_pool        jsonb;
  v_whole       jsonb;
  v_total       bigint;
  v_available   bigint;
  v_in_use      bigint;
  v_pending     bigint;
  v_processing  bigint;
  v_by_country  jsonb;
  v_work        jsonb;
BEGIN
  SELECT coalesce(jsonb_object_agg(c.country, to_jsonb(c) - 'country' - 'failed' ORDER BY c.country), '{}'),
         jsonb_build_object('total', coalesce(sum(c.total), 0), 'available', coalesce(sum(c.available), 0),
                            'locked', coalesce(sum(c.locked), 0), 'cooldown', coalesce(sum(c.cooldown), 0),
                            'failed', coalesce(sum(c.failed), 0)),
         coalesce(sum(c.total), 0), coalesce(sum(c.available), 0), coalesce(sum(c.locked + c.cooldown), 0)
    INTO v_pool, v_whole, v_total, v_available, v_in_use
    FROM pool_by_country(p_now) AS c;

  SELECT coalesce(sum(w.pending), 0), coalesce(sum(w.processing), 0),
         coalesce(jsonb_object_agg(w.country, w.pending + w.processing ORDER BY w.country), '{}'),
         coalesce(jsonb_object_agg(w.country, to_jsonb(w) - 'country'), '{}')
    INTO v_pending, v_processing, v_by_country, v_work
    FROM work_by_country() AS w;

  RETURN jsonb_build_object(
    'timestamp', to_char(p_now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'pool_summary', v_pool,
    'active_requests', jsonb_build_object(
      'total', v_pending + v_processing, 'pending', v_pending, 'processing', v_processing, 'by_country', v_by_country),
    'performance', jsonb_build_object(
      'completed_last_5min', v_lately->'completed', 'avg_trace_time_ms', coalesce(round((v_lately->>'completed_ms')::numeric), 0),
      'http_only_count', v_lately->'http_only', 'browser_count', v_lately->'browser'),
    'health', jsonb_build_object(
      'pool_utilization_percent', coalesce(round(100.0 * v_in_use / nullif(v_total, 0)), 0),
      'available_ips', v_available, 'queue_depth', v_pending,
      'success_rate_5min', coalesce(round(100.0 * (v_lately->>'completed')::bigint / nullif((v_lately->>'ended')::bigint, 0)), 100)),
    'inside', jsonb_build_object('pool', v_whole, 'work', v_work, 'lately', v_lately));
END $$;
REVOKE ALL ON FUNCTION pool_state(timestamptz) FROM PUBLIC;
