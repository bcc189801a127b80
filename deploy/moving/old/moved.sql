-- Names what has moved, for new/check.sql.
\ir views.sql
COPY (
  WITH chosen AS (SELECT jsonb_build_object(kind, name) AS line FROM public.moved_to_tracepool WHERE kind IN ('offer', 'ip'))
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
