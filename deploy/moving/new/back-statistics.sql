-- Gives tracepool's own snapshots that the original lacks: those after the last one that it recorded. Variable: after.
\ir views.sql
COPY (
  WITH chosen AS (
    SELECT jsonb_build_object('recorded_at', s.recorded_at, 'total_ips', s.total_ips, 'available_ips', s.available_ips, 'locked_ips', s.locked_ips,
             'cooldown_ips', s.cooldown_ips, 'failed_ips', s.failed_ips, 'active_requests', s.active_requests, 'requests_queued', s.requests_queued,
             'avg_wait_time_ms', s.avg_wait_time_ms, 'avg_trace_time_ms', s.avg_trace_time_ms,
             'pool_utilization_percent', s.pool_utilization_percent, 'completed_requests_1h', s.completed_requests_1h,
             'failed_requests_1h', s.failed_requests_1h, 'country_breakdown', s.country_breakdown) AS line
      FROM public.ip_pool_statistics s
     WHERE NOT s.promises ? 'original' AND s.recorded_at > coalesce(nullif(:'after', '')::timestamptz, '-infinity'))
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
