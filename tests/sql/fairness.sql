-- Nobody waits behind somebody else's flood: offers, countries, priority.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
UPDATE trace_policy SET cooldown_s = 0;
INSERT INTO offers (offer_name) VALUES ('flood'), ('small'), ('tiny');
CREATE FUNCTION claimed_by_offer(p_slots integer) RETURNS TABLE (offer text, n bigint) LANGUAGE sql AS $$
  SELECT coalesce(o.offer_name, '-'), count(*)
    FROM claim_traces(p_slots, 'w1', 60000, NULL, NULL, NULL) AS c
    LEFT JOIN offers o ON o.id = c.offer_id
   GROUP BY 1 ORDER BY 1
$$;

-- Offers
SELECT add_ips('us', 100);
SELECT add_clicks('flood', 20000, '1 hour');
SELECT results_eq('SELECT country, offer_id FROM queue_offers', $$SELECT 'us', offer('flood')$$, 'an offer with requests is listed');
SELECT add_clicks('small', 3, '1 s');
SELECT add_clicks('flood', 10, '1 s');
SELECT is((SELECT count(*) FROM queue_offers), 2::bigint, 'once');
SELECT results_eq('SELECT * FROM claimed_by_offer(10)', $$VALUES ('flood', 8::bigint), ('small', 2)$$,
                  'where a queue is late, half of a claim goes around its offers');
SELECT add_clicks('tiny', 1, '0 s');
SELECT results_eq('SELECT * FROM claimed_by_offer(10)', $$VALUES ('flood', 8::bigint), ('small', 1), ('tiny', 1)$$,
                  'none waits behind another''s flood');
SELECT results_eq('SELECT * FROM claimed_by_offer(10)', $$VALUES ('flood', 10::bigint)$$, 'and what they do not need is the flood''s');
SELECT is((SELECT count(*) FROM active_trace_requests WHERE status = 'processing'),
          (SELECT count(DISTINCT locked_by_request) FROM ip_rotation_pool WHERE status = 'locked'), 'each has an IP of its own');
SELECT add_clicks('tiny', 1, '0 s');
SELECT ok(claim_until_tiny < 60, 'with one slot at a time it is drawn by lot')
  FROM (SELECT min(i) AS claim_until_tiny
          FROM generate_series(1, 60) AS i
         CROSS JOIN LATERAL claim_traces(1 + 0 * i, 'w2', 60000, NULL, NULL, NULL) AS c
         WHERE c.offer_id = offer('tiny')) AS found;

-- A queue that is in time goes by age alone; so does one with requests of nobody's.
DELETE FROM active_trace_requests;
DELETE FROM queue_offers;
UPDATE ip_rotation_pool SET status = 'available' WHERE status = 'locked';
SELECT add_clicks('flood', 30, '2 s');
SELECT add_clicks('small', 5, '1 s');
SELECT results_eq('SELECT * FROM claimed_by_offer(10)', $$VALUES ('flood', 10::bigint)$$, 'a queue in time goes by age');
SELECT add_request('us', '10 s') FROM generate_series(1, 30);
SELECT results_eq('SELECT * FROM claimed_by_offer(9)', $$VALUES ('-', 7::bigint), ('flood', 1), ('small', 1)$$,
                  'requests without an offer count as one');

-- The cursor belongs to the queue by age: what went ahead of it does not move it.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available' WHERE status = 'locked';
SELECT add_clicks('flood', 100, '1 hour');
SELECT add_clicks('small', 10, '1 s');
SELECT is((SELECT max(in_seconds(request_cursor)) FROM claim_traces(10, 'w1', 60000, NULL, NULL, NULL)), -3600,
          'a request out of turn leaves the cursor where it is');

-- Priority goes before everything else of its country.
SELECT add_clicks('tiny', 2, '0 s', 'us', 1);
SELECT is((SELECT count(*) FROM claim_traces(2, 'w1', 60000, NULL, NULL, NULL) AS c WHERE c.offer_id = offer('tiny')), 2::bigint,
          'priority goes first, also in a late queue');

-- A country without IPs delays no other, whatever waits there.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available' WHERE status = 'locked';
SELECT add_clicks('flood', 5000, '2 hours', 'fr');
SELECT add_clicks('flood', 5000, '2 hours', 'de', 5);
SELECT add_clicks('small', 5, '0 s');
SELECT is((SELECT count(*) FROM claim_traces(10, 'w1', 60000, NULL, NULL, NULL)), 5::bigint, 'a country without IPs delays no other');
SELECT is(wal_bytes('SELECT * FROM claim_traces(10, ''w1'', 1000, NULL, NULL, NULL)'), 0::bigint, 'and is polled without a write');

-- Where that is, the log says.
SELECT is(scarce_countries(), '{de,fr}', 'scarce_countries: work, and no IP');
SELECT is(scarce_countries('{fr,us}'), '{fr}', 'of the countries that a worker is for');
SELECT add_clicks('small', 1, '-1 hour', 'gb');
SELECT is(scarce_countries(), '{de,fr}', 'what is not due lacks nothing');
DELETE FROM active_trace_requests WHERE target_country = 'gb';
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = now() + interval '1 min' WHERE country = 'us' AND status = 'available';
SELECT add_clicks('small', 1, '0 s');
SELECT is(scarce_countries(), '{de,fr,us}', 'an IP that rests is not free');
UPDATE ip_rotation_pool SET status = 'available', provider = 'nobody' WHERE country = 'us' AND status = 'cooldown';
SELECT is(scarce_countries(), '{de,fr,us}', 'nor is one of an unknown provider');
UPDATE ip_rotation_pool SET provider = 'other' WHERE provider = 'nobody';
SELECT is(scarce_countries(), '{de,fr}', 'one that is free is enough');
SELECT is(wal_bytes('SELECT scarce_countries()'), 0::bigint, 'asking writes nothing');
DELETE FROM active_trace_requests WHERE target_country = 'us';

-- Forgotten when nothing waits any more.
UPDATE queue_offers SET listed_at = now() - interval '2 days';
INSERT INTO queue_offers (country, offer_id, listed_at) SELECT 'fr', offer('flood'), now() - interval '2 days';
SELECT prune_history();
SELECT results_eq('SELECT country FROM queue_offers ORDER BY 1', $$VALUES ('fr')$$, 'what waits no more is forgotten, twins too');

-- free_at: the place in the queue of free IPs
SELECT is_empty('SELECT ip_address FROM ip_rotation_pool WHERE status <> ''locked'' AND free_at <> locked_until', 'free_at follows locked_until');
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = now() + interval '1 min' WHERE ip_address = 'us-7';
SELECT is((ip('us-7')).free_at, (ip('us-7')).locked_until, 'written by hand too');
UPDATE ip_rotation_pool SET locked_until = now() - interval '1 min', revision = revision + 1 WHERE ip_address = 'us-7';
SELECT is((ip('us-7')).free_at, (ip('us-7')).locked_until, 'or by a function that forgets it');

SELECT * FROM finish();
ROLLBACK;
