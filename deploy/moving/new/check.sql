-- The lines of old/check.sql, of what is here. Requests that a person changed here, or took out, show up as a difference.
\ir views.sql
\ir ../take.sql
SELECT format('offer %s: %s', o.name, o.line - 'tracer_detection_result')
  FROM moving_offers o JOIN incoming m ON m.line->>'offer' = o.name;
SELECT format('ip %s', jsonb_build_object('ip_address', p.ip_address, 'ip_port', p.ip_port, 'country', p.country, 'provider', p.provider))
  FROM public.ip_rotation_pool p JOIN incoming m ON m.line->>'ip' = p.ip_address;
SELECT format('requests of %s, %s: %s (%s)', coalesce(q.offer, 'offers that are gone'), q.line->>'status', count(*),
              md5(string_agg(md5(q.line::text), '' ORDER BY q.id COLLATE "C")))
  FROM moving_requests q
 WHERE q.click_path = 'original' AND (q.offer IS NULL OR EXISTS (SELECT FROM incoming m WHERE m.line->>'offer' = q.offer))
 GROUP BY q.offer, q.line->>'status';
SELECT format('requests handed over: %s', count(*)) FROM moving_requests WHERE click_path = 'original_open';
