-- What there is to move: offers with the fewest clicks first, the pool, requests by state; and what will not come as it is.
\ir views.sql
\pset tuples_only 0
\pset format aligned
\pset footer 0
\echo 'Offers, those with the fewest clicks first (7 days)'
SELECT o.name AS offer, count(t.request_id) AS clicks, count(t.request_id) FILTER (WHERE t.started_at > now() - interval '1 day') AS last_day,
       o.line->>'target_country' AS country, (o.line->>'is_active')::boolean AS is_active, m.moved_at::timestamp(0) AS moved_at
  FROM moving_offers o
  LEFT JOIN public.active_trace_requests t ON t.offer_id = (o.line->>'id')::uuid AND t.started_at > now() - interval '7 days'
  LEFT JOIN public.moved_to_tracepool m ON m.kind = 'offer' AND m.name = o.name
 GROUP BY 1, 4, 5, 6
 ORDER BY 2, 1;
\echo 'Pool'
SELECT pg_temp.country(p.country) AS country, coalesce(p.provider, 'luna') AS provider, count(*) AS ips, count(*) FILTER (WHERE p.is_healthy) AS healthy,
       count(*) FILTER (WHERE p.status::text = 'locked') AS locked, count(m.name) AS moved
  FROM public.ip_rotation_pool p
  LEFT JOIN public.moved_to_tracepool m ON m.kind = 'ip' AND m.name = p.ip_address
 GROUP BY 1, 2
 ORDER BY 1, 2;
\echo 'Requests'
SELECT coalesce(status::text, 'none') AS status, count(*) AS requests, min(started_at)::timestamp(0) AS first, max(started_at)::timestamp(0) AS last
  FROM public.active_trace_requests
 GROUP BY 1
 ORDER BY 1;
\echo 'Look at these first'
SELECT 'offer without a name: it stays' AS what, count(*) AS rows FROM moving_offers WHERE coalesce(name, '') = '' HAVING count(*) > 0
UNION ALL
SELECT format('offer %s leads nowhere: its clicks are answered 404', name), 1 FROM moving_offers
 WHERE coalesce(line->>'final_url', '') = '' AND NOT EXISTS (SELECT FROM jsonb_array_elements(line->'tracking_urls') AS u WHERE u->>'url' <> '')
UNION ALL
SELECT format('country %s is no code of two letters', c), count(*) FROM (
         SELECT line->>'target_country' AS c FROM moving_offers UNION ALL SELECT pg_temp.country(country) FROM public.ip_rotation_pool) AS all_of_them
 WHERE c !~ '^[a-z]{2}$'
 GROUP BY c
UNION ALL
SELECT 'IPs locked without a request: run release_expired_ip_locks()', count(*) FROM public.ip_rotation_pool
 WHERE status::text = 'locked' AND coalesce(locked_until, '-infinity') < now() HAVING count(*) > 0
UNION ALL
SELECT 'requests of offers that are gone: they come with the first `move requests`', count(*)
  FROM public.active_trace_requests t
 WHERE NOT EXISTS (SELECT FROM public.offers o WHERE o.id = t.offer_id)
HAVING count(*) > 0;
