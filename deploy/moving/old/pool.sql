-- Takes IPs out of the original's rotation and gives all that were ever taken, so that no IP serves two masters: each keeps
-- its own cooldown, and neither knows the other's. Variables: count (how many to have taken in all; or all: the unhealthy ones
-- too), country (that country's; empty: of each its share). The least recently used go first, a locked one is passed over.
\ir views.sql
WITH ranked AS (
  SELECT p.ip_address,
         row_number() OVER (PARTITION BY p.country ORDER BY p.last_used_at NULLS FIRST, p.ip_address)::float8
         / count(*) OVER (PARTITION BY p.country) AS place
    FROM public.ip_rotation_pool p
   WHERE p.status::text <> 'locked' AND (p.is_healthy OR :'count' = 'all') AND (:'country' = '' OR pg_temp.country(p.country) = lower(:'country'))
     AND NOT EXISTS (SELECT FROM public.moved_to_tracepool m WHERE m.kind = 'ip' AND m.name = p.ip_address)
), chosen AS (
  SELECT p.ip_address, to_jsonb(p) AS was
    FROM public.ip_rotation_pool p
   WHERE p.ip_address IN (SELECT r.ip_address FROM ranked r ORDER BY r.place, r.ip_address
                           LIMIT (SELECT greatest(nullif(:'count', 'all')::bigint - count(*), 0) FROM moving_ips
                                   WHERE :'country' = '' OR line->>'country' = lower(:'country')))
     AND p.status::text <> 'locked'
     FOR UPDATE SKIP LOCKED
), noted AS (
  INSERT INTO public.moved_to_tracepool (kind, name, was) SELECT 'ip', chosen.ip_address, chosen.was FROM chosen
  RETURNING name
)
UPDATE public.ip_rotation_pool p
   SET is_healthy = false, status = 'failed'
  FROM noted
 WHERE noted.name = p.ip_address;
COPY (
  WITH chosen AS (SELECT line || jsonb_build_object('was', was) AS line FROM moving_ips)
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
