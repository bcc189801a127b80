-- What each alert rule looks at, now: one row for each rule and, where it looks at several things, each subject. A rule
-- that cannot tell has no row. The rules' thresholds, durations and words are monitor/alerts_table.h; the names are its.
-- p_status is what pool_monitor() says, p_promises what promises() says. A process not heard of for p_silence_ms is dead.
CREATE OR REPLACE FUNCTION alert_levels(p_status jsonb, p_promises jsonb, p_silence_ms integer, p_oldest_transaction_s numeric)
RETURNS TABLE (rule text, subject text, value numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_now       timestamptz := clock_timestamp();
  v_live      timestamptz := v_now - p_silence_ms * interval '1 ms';
  v_tracked   timestamptz;
BEGIN
  -- The original's five
  RETURN QUERY
  SELECT 'pool_utilization', '', (p_status #>> '{health,pool_utilization_percent}')::numeric
   UNION ALL
  SELECT 'success_rate', '', (p_status #>> '{health,success_rate_5min}')::numeric
   UNION ALL
  SELECT 'unhealthy_ips', '', round(100.0 * sum((place.value->>'unhealthy')::numeric) / nullif(sum((place.value->>'total')::numeric), 0), 1)
    FROM jsonb_each(p_status->'pool_summary') AS place
  HAVING sum((place.value->>'total')::numeric) > 0
   UNION ALL
  SELECT 'queue_depth', '', (p_status #>> '{health,queue_depth}')::numeric
   UNION ALL
  SELECT 'trace_time', '', (p_status #>> '{performance,avg_trace_time_ms}')::numeric / 1000;

  -- Workers that are gone, or that never came although there is work. A farm that was never started is no alert.
  RETURN QUERY
  SELECT 'workers', '', count(*) FILTER (WHERE h.seen_at > v_live)::numeric
    FROM process_heartbeats h
   WHERE h.program = 'worker' AND h.seen_at > v_now - interval '1 day'
  HAVING count(*) > 0
      OR EXISTS (SELECT
                   FROM queue_countries() AS place (country)
                  WHERE EXISTS (SELECT FROM active_trace_requests t
                                 WHERE t.target_country = place.country AND t.next_attempt_at <= v_now));

  -- Work that no IP is there for; counted up to 1,000, and only where there is none
  RETURN QUERY
  WITH dry AS MATERIALIZED (
    SELECT place.country
      FROM queue_countries() AS place (country)
     WHERE NOT EXISTS (SELECT FROM ip_rotation_pool p
                         JOIN proxy_providers v ON v.provider = p.provider
                        WHERE p.country = place.country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= v_now)
  )
  SELECT 'no_free_ip', dry.country, few.n::numeric
    FROM dry
   CROSS JOIN LATERAL (SELECT count(*) AS n
                         FROM (SELECT FROM active_trace_requests t
                                WHERE t.target_country = dry.country AND t.next_attempt_at <= v_now
                                LIMIT 1000) AS due) AS few
   WHERE few.n > 0;

  -- Tracking requests that are due or went wrong, and none that was tracked since: for how long?
  SELECT max(e.updated_at) INTO v_tracked
    FROM tracking_events e
   WHERE e.mode = 'fire' AND e.state = 'tracked' AND e.updated_at > v_now - interval '1 day';
  RETURN QUERY
  SELECT 'events_untracked', '', round(extract(epoch FROM v_now - min(trouble.since)), 1)
    FROM ((SELECT e.due_at AS since, v_now AS until
             FROM tracking_events e
            WHERE e.mode = 'fire' AND e.state IN ('pending', 'waiting') AND e.due_at <= v_now
            ORDER BY e.due_at
            LIMIT 1)
          UNION ALL
          SELECT min(e.updated_at), max(e.updated_at)
            FROM tracking_events e
           WHERE e.mode = 'fire' AND e.state IN ('failed', 'unknown', 'expired')
             AND e.updated_at > greatest(coalesce(v_tracked, '-infinity'), v_now - interval '1 day')) AS trouble
  HAVING min(trouble.since) > coalesce(v_tracked, '-infinity') AND max(trouble.until) > v_now - interval '5 minutes';

  -- A host whose edges all fell silent, the last one without a goodbye (that has no age), is cut off or dead, and may have
  -- clicks since then; what one child of several left, its siblings ship.
  RETURN QUERY
  SELECT 'spool_age', h.host,
         coalesce(max(h.spool_age_s) FILTER (WHERE h.seen_at > v_live), round(extract(epoch FROM v_now - max(h.seen_at))::numeric, 1))
    FROM process_heartbeats h
   WHERE h.program = 'edge' AND h.seen_at > v_now - interval '1 day'
   GROUP BY h.host
  HAVING (array_agg(h.spool_age_s ORDER BY h.seen_at DESC))[1] IS NOT NULL;

  RETURN QUERY
  SELECT 'credentials_age', v.provider,
         round((extract(epoch FROM v_now - coalesce(v.credentials_rotated_at, v.created_at)) / 86400)::numeric, 2)
    FROM proxy_providers v
   WHERE v.secret_name IS NOT NULL;

  RETURN QUERY SELECT 'oldest_transaction', '', p_oldest_transaction_s WHERE p_oldest_transaction_s IS NOT NULL;

  RETURN QUERY
  SELECT 'beacon_failures', '', round(100.0 * count(*) FILTER (WHERE e.state <> 'tracked') / count(*), 1)
    FROM tracking_events e
   WHERE e.mode = 'fire' AND e.state IN ('tracked', 'failed', 'unknown') AND e.updated_at > v_now - interval '5 minutes'
  HAVING count(*) >= 5;

  RETURN QUERY
  SELECT 'chain_drift', e.offer_name, count(*)::numeric
    FROM chain_drift_events e
   WHERE e.state = 'open'
   GROUP BY e.offer_name;

  RETURN QUERY
  SELECT 'certificate_errors', c.untrusted, sum(c.attempts)::numeric
    FROM ended_by_country(v_now - interval '5 minutes') AS c
   WHERE c.untrusted IS NOT NULL
   GROUP BY 2;

  RETURN QUERY
  SELECT 'certificate_expiry', c.host, round((extract(epoch FROM c.not_after - v_now) / 86400)::numeric, 2)
    FROM target_certificates c
   WHERE c.seen_at > v_now - interval '7 days' AND c.not_after < v_now + interval '90 days'
   ORDER BY c.not_after
   LIMIT 50;

  -- The promises
  RETURN QUERY
  SELECT told.rule, '', told.value::numeric
    FROM (VALUES ('edge_over_500ms', (p_promises #>> '{edge,over_500ms_percent}')::numeric * 10),
                 ('edge_over_200ms', (p_promises #>> '{edge,over_200ms_percent}')::numeric * 10),
                 ('http_only_share', CASE WHEN (p_promises #>> '{http_only,traces}')::bigint >= 20
                                     THEN (p_promises #>> '{http_only,percent}')::numeric END),
                 ('pool_ceiling', (p_promises #>> '{throughput,percent}')::numeric),
                 -- a whole day's peak, in which something was traced: quiet hours say nothing
                 ('pool_idle', CASE WHEN (p_promises #>> '{utilization,peak_of_day,hours}')::numeric >= 20
                                     AND (p_promises #>> '{utilization,peak_of_day,completed}')::bigint > 0
                               THEN (p_promises #>> '{utilization,peak_of_day,percent}')::numeric END)) AS told (rule, value)
   WHERE told.value IS NOT NULL;
END $$;
COMMENT ON FUNCTION alert_levels(jsonb, jsonb, integer, numeric) IS 'What each alert rule looks at, as a number.';
REVOKE ALL ON FUNCTION alert_levels(jsonb, jsonb, integer, numeric) FROM PUBLIC;
