-- Takes snapshots, into those columns that are there.
\ir views.sql
CREATE TEMP TABLE incoming (line jsonb NOT NULL);
BEGIN;
\ir ../take.sql
SELECT format('INSERT INTO public.ip_pool_statistics (%1$s) SELECT %1$s FROM (SELECT (jsonb_populate_record(NULL::public.ip_pool_statistics, line)).* '
              'FROM incoming) AS r', string_agg(quote_ident(a.attname), ', '))
  FROM pg_attribute a
 WHERE a.attrelid = 'public.ip_pool_statistics'::regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND EXISTS (SELECT FROM incoming i WHERE i.line ? a.attname)
HAVING count(*) > 0 \gexec
SELECT format('statistics: %s snapshots went back', count(*)) FROM incoming;
COMMIT;
