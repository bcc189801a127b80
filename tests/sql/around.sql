-- claim_traces with p_around: what is due of other offers, while the browser has enough to do.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
UPDATE trace_policy SET cooldown_s = 0;
INSERT INTO offers (offer_name) VALUES ('pages'), ('shop'), ('ads');
CREATE FUNCTION taken(p_slots integer, p_around text[], p_countries text[] DEFAULT NULL, p_batch uuid DEFAULT NULL)
RETURNS TABLE (offer text, n bigint) LANGUAGE sql AS $$
  SELECT coalesce(o.offer_name, '-'), count(*)
    FROM claim_traces(p_slots, 'w1', 60000, p_countries, NULL, NULL, p_batch,
                      ARRAY(SELECT coalesce(offer(name), '00000000-0000-0000-0000-000000000000') FROM unnest(p_around) AS name)) AS c
    LEFT JOIN offers o ON o.id = c.offer_id
   GROUP BY 1 ORDER BY 1
$$;

SELECT add_ips('us', 20);
SELECT add_ips('de', 2);
SELECT add_clicks('pages', 5000, '1 hour');
SELECT is_empty($$SELECT * FROM taken(10, '{pages}')$$, 'nothing else is due: nothing is claimed');   -- PostgreSQL may tidy a page at the first look
SELECT is(wal_bytes($$SELECT * FROM claim_traces(10, 'w1', 1000, NULL, NULL, NULL, NULL, ARRAY[offer('pages')])$$), 0::bigint, 'nor written');
SELECT add_clicks('shop', 5, '1 s');
SELECT add_clicks('shop', 5, '2 s', 'de');
SELECT add_clicks('shop', 5, '2 s', 'fr');
SELECT add_request('us', '1 s');
SELECT results_eq($$SELECT * FROM taken(3, '{pages,shop}')$$, $$VALUES ('-', 1::bigint)$$, 'a request without an offer is of none of them');
SELECT results_eq($$SELECT * FROM taken(3, '{pages}')$$, $$VALUES ('shop', 3::bigint)$$, 'the others'' requests, behind a thousand that are passed over');
SELECT is((SELECT array_agg(target_country ORDER BY target_country) FROM active_trace_requests WHERE status = 'processing'), '{de,de,us,us}',
          'the oldest first, and no more than a country has IPs');
SELECT is((SELECT count(*) FROM active_trace_requests r JOIN ip_rotation_pool p ON p.locked_by_request = r.request_id AND p.ip_address = r.ip_assigned
            WHERE r.status = 'processing' AND p.country = r.target_country AND p.locked_by = 'w1' AND p.locked_until = r.timeout_at), 4::bigint,
          'each leased with an IP of its country');
SELECT results_eq($$SELECT * FROM taken(10, '{pages}', '{us}')$$, $$VALUES ('shop', 4::bigint)$$, 'in the countries that were asked for');
SELECT add_clicks('ads', 1, '0 s', 'us', 3);
SELECT add_clicks('pages', 3, '0 s', 'us', 3);
SELECT add_clicks('shop', 3, '1 s');
SELECT results_eq($$SELECT * FROM taken(1, '{pages}')$$, $$VALUES ('ads', 1::bigint)$$, 'priority goes first here, too');
SELECT add_request('us', '1 s');
SELECT results_eq($$SELECT * FROM taken(10, '{pages,none}')$$, $$VALUES ('shop', 3::bigint)$$, 'requests without an offer are passed over like an offer');
SELECT is_empty($$SELECT * FROM taken(0, '{pages}')$$, 'no slots, nothing');

-- An IP that rests, is ill, is out, or whose provider nobody knows is no IP.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 5);
SELECT add_clicks('shop', 10, '1 s');
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = clock_timestamp() + interval '1 hour', revision = revision + 1
 WHERE ip_address = 'us-1';
UPDATE ip_rotation_pool SET is_healthy = false, next_probe_at = clock_timestamp() - interval '1 s', revision = revision + 1 WHERE ip_address = 'us-2';
SELECT disable_ips('{us-3}');
UPDATE ip_rotation_pool SET provider = 'unknown', revision = revision + 1 WHERE ip_address = 'us-4';
SELECT results_eq($$SELECT * FROM taken(10, '{pages}')$$, $$VALUES ('shop', 1::bigint)$$, 'only what is free and well is lent');
SELECT is((SELECT array_agg(ip_address) FROM ip_rotation_pool WHERE status = 'locked'), '{us-5}', 'and that is this one');

-- How long ago, in tens of seconds: a slow machine changes nothing.
CREATE FUNCTION tens(p_when timestamptz) RETURNS integer LANGUAGE sql AS $$ SELECT round(ms_between(p_when, clock_timestamp()) / 10000.0)::integer $$;
-- With cursors, from there on; what they are next is of those that were taken, and another country's stay out of it.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 20);
SELECT add_ips('de', 20);
SELECT add_clicks('shop', 1, '1 hour');
SELECT add_clicks('shop', 1, '20 s');
SELECT add_clicks('ads', 1, '10 s', 'us', 3);
SELECT add_clicks('shop', 1, '5 s', 'de');
SELECT results_eq($$SELECT target_country, tens(request_cursor) AS tens
                      FROM claim_traces(10, 'w1', 1000, '{us,de}', ARRAY[now() - interval '30 s', now() - interval '1 hour'], ARRAY[NULL, NULL]::timestamptz[], NULL,
                                        ARRAY[offer('pages')]) ORDER BY 1, 2$$,
                  $$VALUES ('de', 1), ('us', 2), ('us', 2)$$, 'what lies behind a cursor is not looked at; a priority has none');
SELECT results_eq($$SELECT target_country, tens(request_cursor)
                      FROM claim_traces(10, 'w1', 1000, '{us}', NULL, NULL, NULL, ARRAY[offer('pages')])$$,
                  $$VALUES ('us', 360)$$, 'without one, it is');
SELECT add_clicks('shop', 1, '31 s');
SELECT results_eq($$SELECT target_country, tens(request_cursor)
                      FROM claim_traces(10, 'w1', 1000, '{us}', ARRAY[now() - interval '30 s'], ARRAY[NULL]::timestamptz[], NULL, ARRAY[offer('pages')])$$,
                  $$VALUES ('us', 3)$$, 'two seconds behind it are looked at, for what was committed late');
SELECT add_clicks('shop', 1, '1 s');
SELECT is_empty($$SELECT FROM claim_traces(10, 'w1', 1000, '{us}', ARRAY[NULL]::timestamptz[], ARRAY[clock_timestamp()], NULL, ARRAY[offer('pages')])$$,
                'IPs that were free before the cursor are passed over, too');

-- For a batch
SELECT add_ips('ca', 5);
SELECT add_clicks('shop', 5, '1 s', 'ca');
SELECT request_trace_batch(2, 10) AS batch_id \gset
SELECT results_eq($$SELECT * FROM taken(10, '{pages,none}', NULL, $$ || quote_literal(:'batch_id') || ')', $$VALUES ('shop', 2::bigint)$$, 'a batch gets no more than it asked for');
SELECT is((SELECT count(*) FROM active_trace_requests WHERE batch_id = :'batch_id'), 2::bigint, 'and has its requests');

SELECT * FROM finish();
ROLLBACK;
