-- Retires those IPs and gives the ones that are free, with their counters. One that traces right now goes with the next run.
\ir views.sql
\ir ../take.sql
CREATE TEMP TABLE known AS
SELECT p.ip_address, to_jsonb(p) AS line FROM public.ip_rotation_pool p JOIN incoming i ON i.line->>'ip' = p.ip_address;
SELECT public.retire_ips(coalesce(array_agg(ip_address), '{}')) FROM known \g /dev/null
COPY (
  WITH chosen AS (
    SELECT jsonb_build_object('ip', i.line->>'ip', 'now', k.line) AS line
      FROM incoming i
      LEFT JOIN known k ON k.ip_address = i.line->>'ip'
     WHERE NOT EXISTS (SELECT FROM public.ip_rotation_pool p WHERE p.ip_address = i.line->>'ip'))
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
SELECT count(*) AS busy FROM public.ip_rotation_pool p JOIN incoming i ON i.line->>'ip' = p.ip_address \gset
\if :busy
  \warn move: :busy IPs are still in use here: run it again when their traces have ended
\endif
