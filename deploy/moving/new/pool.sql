-- Takes IPs with their counters; a cooldown goes on here, and an unhealthy one is probed. One that is here stays as it is.
\ir views.sql
BEGIN;
\ir ../take.sql
WITH taken AS (
  INSERT INTO public.ip_rotation_pool
         (ip_address, ip_port, country, provider, status, locked_until, last_used_at, total_uses, success_count, failure_count,
          avg_response_time_ms, is_healthy, consecutive_failures, last_health_check, next_probe_at, notes)
  SELECT i.line->>'ip_address', i.line->>'ip_port', i.line->>'country', i.line->>'provider',
         CASE WHEN NOT was.is_healthy THEN 'failed' WHEN was.locked_until > now() THEN 'cooldown' ELSE 'available' END::ip_status,
         was.locked_until, was.last_used_at, coalesce(was.total_uses, 0), coalesce(was.success_count, 0), coalesce(was.failure_count, 0),
         was.avg_response_time_ms, coalesce(was.is_healthy, true), coalesce(was.consecutive_failures, 0), was.last_health_check,
         CASE WHEN NOT was.is_healthy THEN clock_timestamp() END, was.notes
    FROM incoming i
   CROSS JOIN jsonb_to_record(i.line->'was')
         AS was (is_healthy boolean, locked_until timestamptz, last_used_at timestamptz, total_uses bigint, success_count bigint,
                 failure_count bigint, avg_response_time_ms integer, consecutive_failures integer, last_health_check timestamptz, notes text)
      ON CONFLICT (ip_address) DO NOTHING
  RETURNING country)
SELECT format('pool: %s IPs are ours, %s of them new', (SELECT count(*) FROM incoming), count(*)) FROM taken;
COMMIT;
SELECT format('provider %s is not in proxy_providers: its %s IPs are not used before it is', p.provider, count(*))
  FROM public.ip_rotation_pool p
 WHERE NOT EXISTS (SELECT FROM public.proxy_providers v WHERE v.provider = p.provider)
 GROUP BY p.provider
 ORDER BY p.provider;
