-- What tracepool promises, in numbers of the last 5 minutes: how fast clicks are answered (200 ms; 99.9 % within 500 ms),
-- how many of mode auto needed no browser (80 %), how busy the pool is (60 to 80 % at its peak), and how many traces a
-- minute it does of those it could. What cannot be told (no click, no trace, no pool) is null.
--
-- Edges count since their start. Their counts are compared from snapshot to snapshot; one that went back was restarted.
-- p_status is what pool_monitor() says, or pool_state(), which spares counting again.
-- The ceiling: every healthy IP traces for the mean time, rests for the cooldown, and begins again.
CREATE OR REPLACE FUNCTION promises(p_status jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_now       timestamptz := clock_timestamp();
  v_edge      jsonb;
  v_lately    jsonb := coalesce(p_status #> '{inside,lately}', traced_lately(v_now));
  v_auto      bigint := v_lately->>'auto';
  v_ended     bigint := v_lately->>'ended';
  v_healthy   bigint;
  v_total     bigint;
  v_ceiling   numeric;
  v_peak      jsonb;
BEGIN
  SELECT jsonb_build_object('answers', sum(step.answers), 'over_200ms', sum(step.over_200ms), 'over_500ms', sum(step.over_500ms))
    INTO v_edge
    FROM (SELECT CASE WHEN now.answers < before.answers THEN now.answers ELSE now.answers - before.answers END AS answers,
                 CASE WHEN now.answers < before.answers THEN now.over_200ms ELSE now.over_200ms - before.over_200ms END AS over_200ms,
                 CASE WHEN now.answers < before.answers THEN now.over_500ms ELSE now.over_500ms - before.over_500ms END AS over_500ms
            FROM (SELECT host.key, said.at, (host.value->>'answers')::bigint AS answers,
                         (host.value->>'over_200ms')::bigint AS over_200ms,
                         (host.value->>'over_500ms')::bigint AS over_500ms,
                         lag(host.value) OVER (PARTITION BY host.key ORDER BY said.at) AS last
                    FROM (SELECT s.recorded_at AS at, s.edge_answers AS answers
                            FROM ip_pool_statistics s
                           WHERE s.recorded_at > v_now - interval '5 minutes' AND s.recorded_at <= v_now
                          UNION ALL
                          SELECT v_now, edge_answers(v_now)) AS said
                   CROSS JOIN LATERAL jsonb_each(said.answers) AS host) AS now
           CROSS JOIN LATERAL (SELECT (now.last->>'answers')::bigint AS answers, (now.last->>'over_200ms')::bigint AS over_200ms,
                                      (now.last->>'over_500ms')::bigint AS over_500ms) AS before
           WHERE now.last IS NOT NULL) AS step;

  SELECT coalesce(sum((place.value->>'healthy')::bigint), 0), coalesce(sum((place.value->>'total')::bigint), 0)
    INTO v_healthy, v_total
    FROM jsonb_each(p_status->'pool_summary') AS place;
  SELECT round(v_healthy * 60 / nullif(coalesce((v_lately->>'attempt_ms')::numeric, 0) / 1000 + policy.cooldown_s, 0), 2)
    INTO v_ceiling
    FROM trace_policy policy;

  SELECT jsonb_build_object('percent', max(s.pool_utilization_percent), 'completed', max(s.completed_requests_1h),
                            'hours', floor(extract(epoch FROM v_now - min(s.recorded_at)) / 3600))
    INTO v_peak
    FROM ip_pool_statistics s
   WHERE s.recorded_at > v_now - interval '1 day' AND s.recorded_at <= v_now;

  RETURN jsonb_build_object(
    'edge', v_edge || jsonb_build_object(
      'over_200ms_percent', round(100.0 * (v_edge->>'over_200ms')::numeric / nullif((v_edge->>'answers')::numeric, 0), 4),
      'over_500ms_percent', round(100.0 * (v_edge->>'over_500ms')::numeric / nullif((v_edge->>'answers')::numeric, 0), 4)),
    'http_only', jsonb_build_object('traces', v_auto, 'percent', round(100.0 * (v_lately->>'auto_http_only')::bigint / nullif(v_auto, 0), 1), 'expected_percent', 80),
    'utilization', jsonb_build_object(
      'percent', CASE WHEN v_total > 0 THEN p_status #> '{health,pool_utilization_percent}' END,
      'low_percent', 60, 'high_percent', 80, 'peak_of_day', v_peak),
    'throughput', jsonb_build_object(
      'per_minute', round(v_ended / 5.0, 2), 'ceiling_per_minute', CASE WHEN v_healthy > 0 THEN v_ceiling END,
      'percent', CASE WHEN v_healthy > 0 THEN round(100 * v_ended / 5.0 / nullif(v_ceiling, 0), 1) END));
END $$;
COMMENT ON FUNCTION promises(jsonb) IS 'The promises in numbers of the last 5 minutes, given what pool_monitor() says.';
REVOKE ALL ON FUNCTION promises(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION promises(jsonb) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
