-- What has moved, as it is there, in lines that new/check.sql prints of what is here.
\ir views.sql
SELECT format('offer %s: %s', o.name, o.line - 'tracer_detection_result')
  FROM moving_offers o JOIN public.moved_to_tracepool m ON m.kind = 'offer' AND m.name = o.name;
SELECT format('ip %s', line) FROM moving_ips;
SELECT format('requests of %s, %s: %s (%s)', coalesce(q.offer, 'offers that are gone'), q.line->>'status', count(*),
              md5(string_agg(md5(q.line::text), '' ORDER BY q.id COLLATE "C")))
  FROM moving_requests q
 WHERE q.is_ready AND NOT q.handed_over
   AND (q.offer IS NULL OR EXISTS (SELECT FROM public.moved_to_tracepool m WHERE m.kind = 'offer' AND m.name = q.offer))
 GROUP BY q.offer, q.line->>'status';
SELECT format('requests handed over: %s', count(*)) FROM public.moved_to_tracepool WHERE kind = 'request';
