-- Takes an offer, under its old id. One that is here already stays as it is. Variable: offer.
-- Its traces go on replaying the visitor's click id, as the original's did; change trace_click_ids when the network agrees.
\ir views.sql
BEGIN;
\ir ../take.sql
SELECT set_config('moving.offer', :'offer', true) \g /dev/null
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM incoming) THEN
    RAISE EXCEPTION 'there is no offer % in the original', current_setting('moving.offer');
  ELSIF EXISTS (SELECT FROM public.offers o JOIN incoming i ON o.offer_name = i.line->>'offer_name' AND o.id <> (i.line->>'id')::uuid) THEN
    RAISE EXCEPTION 'offer % is here already, with another id: rename or delete that one first', current_setting('moving.offer');
  END IF;
END $$;
WITH taken AS (
  INSERT INTO public.offers (id, offer_name, final_url, tracking_urls, allowed_hosts, target_country, referrer, is_active, tracer_mode,
                             tracer_detection_result, block_resources, extract_only, expected_params, trace_click_ids, notes)
  SELECT r.id, r.offer_name, r.final_url, r.tracking_urls, r.allowed_hosts, r.target_country, r.referrer, r.is_active, r.tracer_mode,
         nullif(r.tracer_detection_result, 'null'), r.block_resources, r.extract_only, r.expected_params, 'inbound', 'taken over from the original'
    FROM incoming i, jsonb_populate_record(NULL::public.offers, i.line) AS r
      ON CONFLICT DO NOTHING
  RETURNING id)
SELECT format('offer %s: %s', :'offer', CASE WHEN EXISTS (SELECT FROM taken) THEN 'taken' ELSE 'here already, left as it is' END);
COMMIT;
