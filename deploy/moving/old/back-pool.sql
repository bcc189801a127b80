-- Puts IPs back into rotation with the counters that they have now; those of which tracepool knows nothing, as they were.
\ir views.sql
CREATE TEMP TABLE incoming (line jsonb NOT NULL);
BEGIN;
\ir ../take.sql
WITH back AS (
  DELETE FROM public.moved_to_tracepool m USING incoming i WHERE m.kind = 'ip' AND m.name = i.line->>'ip'
  RETURNING m.name, CASE WHEN jsonb_typeof(i.line->'now') = 'object' THEN i.line->'now' ELSE m.was END AS r
), restored AS (
  UPDATE public.ip_rotation_pool p
     SET status = (jsonb_populate_record(NULL::public.ip_rotation_pool,   -- whatever that type is called there
                     CASE WHEN (b.r->>'is_healthy')::boolean THEN '{"status": "available"}' ELSE '{"status": "failed"}' END::jsonb)).status,
         is_healthy = (b.r->>'is_healthy')::boolean, locked_until = NULL, locked_by_request = NULL, last_used_at = (b.r->>'last_used_at')::timestamptz,
         total_uses = (b.r->>'total_uses')::bigint, success_count = (b.r->>'success_count')::bigint,
         failure_count = (b.r->>'failure_count')::bigint, consecutive_failures = (b.r->>'consecutive_failures')::integer,
         avg_response_time_ms = (b.r->>'avg_response_time_ms')::integer
    FROM back b
   WHERE b.name = p.ip_address
  RETURNING 1)
SELECT format('pool: %s IPs went back, %s of them are there no more', (SELECT count(*) FROM back), (SELECT count(*) FROM back) - count(*)) FROM restored;
COMMIT;
