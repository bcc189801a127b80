-- Takes the snapshots from before tracepool's own first one, so that no chart shows two systems at once.
\ir views.sql
BEGIN;
\ir ../take.sql
WITH taken AS (
  INSERT INTO public.ip_pool_statistics
         (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, requests_queued, avg_wait_time_ms,
          avg_trace_time_ms, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown, promises)
  SELECT s.recorded_at, coalesce(s.total_ips, 0), coalesce(s.available_ips, 0), coalesce(s.locked_ips, 0), coalesce(s.cooldown_ips, 0),
         coalesce(s.failed_ips, 0), coalesce(s.active_requests, 0), coalesce(s.requests_queued, 0), s.avg_wait_time_ms, s.avg_trace_time_ms,
         coalesce(s.pool_utilization_percent, 0), coalesce(s.completed_requests_1h, 0), coalesce(s.failed_requests_1h, 0), 100,
         coalesce(nullif(s.country_breakdown, 'null'), '{}'), '{"original": true}'
    FROM incoming i
   CROSS JOIN jsonb_populate_record(NULL::public.ip_pool_statistics, i.line) AS s
   WHERE s.recorded_at < coalesce((SELECT min(o.recorded_at) FROM public.ip_pool_statistics o WHERE NOT o.promises ? 'original'), now())
     AND NOT EXISTS (SELECT FROM public.ip_pool_statistics o WHERE o.recorded_at = s.recorded_at)
  RETURNING 1)
SELECT format('statistics: %s snapshots came, %s of them new', (SELECT count(*) FROM incoming), count(*)) FROM taken;
COMMIT;
