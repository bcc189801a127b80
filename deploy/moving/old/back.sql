-- Takes rows into one of the original's tables: into those columns that it has. What is there already follows. Variables: into (the
-- table), key (its unique column).
\ir views.sql
CREATE TEMP TABLE incoming (line jsonb NOT NULL);
BEGIN;
\ir ../take.sql
-- There an address and an offer are references that have to exist.
UPDATE incoming i SET line = i.line || '{"ip_assigned": null}'
 WHERE i.line->>'ip_assigned' IS NOT NULL AND NOT EXISTS (SELECT FROM public.ip_rotation_pool p WHERE p.ip_address = i.line->>'ip_assigned');
UPDATE incoming i SET line = i.line || '{"offer_id": null}'
 WHERE i.line->>'offer_id' IS NOT NULL AND NOT EXISTS (SELECT FROM public.offers o WHERE o.id = (i.line->>'offer_id')::uuid);
-- An offer that says the same in an orderly way stays as it is written there.
DELETE FROM incoming i USING moving_offers o
 WHERE :'into' = 'offers' AND o.name = i.line->>'offer_name' AND o.line - 'tracer_detection_result' = i.line - 'tracer_detection_result';
SELECT format('INSERT INTO public.%1$I (%2$s) SELECT %2$s FROM (SELECT (jsonb_populate_record(NULL::public.%1$I, line)).* FROM incoming) AS r '
              'ON CONFLICT (%3$I) DO UPDATE SET %4$s',
              :'into', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), :'key',
              string_agg(format('%1$I = excluded.%1$I', a.attname), ', ' ORDER BY a.attnum))
  FROM pg_attribute a
 WHERE a.attrelid = format('public.%I', :'into')::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
   AND EXISTS (SELECT FROM incoming i WHERE i.line ? a.attname)
HAVING count(*) > 0 \gexec
SELECT format('%s: %s rows went back', :'into', count(*)) FROM incoming;
COMMIT;
