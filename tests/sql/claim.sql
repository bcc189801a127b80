-- claim_traces: which request gets which IP.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- Nothing to do costs nothing.
SELECT is(claimed(), 0::bigint, 'no request, no IP: nothing');
SELECT add_ips('us', 3);
SELECT is(claimed(), 0::bigint, 'no request: nothing');
SELECT is(wal_bytes('SELECT * FROM claim_traces(10, ''w1'', 1000, NULL, NULL, NULL)'), 0::bigint,
          'a poll that finds no request writes no WAL');
SELECT add_request('de') AS de \gset
SELECT is(claimed(), 0::bigint, 'no IP of its country: the request waits');
SELECT is((request(:'de')).status, 'pending', 'and stays pending');
SELECT is(wal_bytes('SELECT * FROM claim_traces(10, ''w1'', 1000, NULL, NULL, NULL)'), 0::bigint,
          'a poll that finds no IP writes no WAL');

-- One pair.
SELECT add_request('us', '5 s') AS old \gset
SELECT add_request('us', '1 s') AS young \gset
CREATE TEMP TABLE got AS SELECT * FROM claim_traces(1, 'w1', 120000, NULL, NULL, NULL);
SELECT is((SELECT request_id FROM got), :'old', 'the oldest request goes first');
SELECT is((SELECT ip_address FROM got), 'us-1', 'with the IP that rested longest');
SELECT is((SELECT attempt FROM got), 1, 'it is the first attempt');
SELECT is((SELECT wait_ms / 1000 FROM got), 5, 'after five seconds of waiting');
SELECT is((SELECT options FROM got), '{}', 'no offer, no options');
SELECT is((SELECT (proxy_scheme, proxy_host, proxy_port, proxy_user, proxy_secret)::text FROM got), '(http,us-1,7000,,)',
          'a plain provider''s proxy is the entry itself');
SELECT is((request(:'old')).status, 'processing', 'the request is processing');
SELECT is((request(:'old')).next_attempt_at, NULL, 'and no longer claimable');
SELECT is((request(:'old')).ip_assigned, 'us-1', 'on that IP');
SELECT is((request(:'old')).claimed_by, 'w1', 'for that worker');
SELECT is(in_seconds((request(:'old')).ip_locked_at), 0, 'since now');
SELECT is(in_seconds((request(:'old')).timeout_at), 120, 'until the lease''s end');
SELECT is((ip('us-1')).status, 'locked', 'the IP is locked');
SELECT is((ip('us-1')).locked_by_request, :'old', 'by the request');
SELECT is((ip('us-1')).locked_by, 'w1', 'for the worker');
SELECT is(in_seconds((ip('us-1')).locked_until), 120, 'for the lease');

-- Slots, sharing, fairness between countries.
SELECT add_request('us', '30 s') FROM generate_series(1, 20);
SELECT is(claimed(10), 2::bigint, 'no more than there are free IPs');
SELECT is(claimed(10), 0::bigint, 'an IP is leased once');
SELECT add_ips('de', 1);
SELECT results_eq('SELECT * FROM claim(10) AS c (r uuid, ip text)', format('VALUES (%L::uuid, %L)', :'de', 'de-1'),
                  'a country without a free IP does not hold up another');
SELECT is(claimed(0), 0::bigint, 'no slot, no claim');

UPDATE ip_rotation_pool SET status = 'available' WHERE country = 'us';
SELECT is((SELECT count(*) FROM active_trace_requests WHERE status = 'processing' AND target_country = 'us'), 0::bigint,
          '(IPs unlocked by hand, their requests wait again)');
SELECT is(claimed(2), 2::bigint, 'no more than there are slots');
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;

SELECT add_ips('us', 5), add_ips('ca', 5);
SELECT add_request('us', i * interval '1 min') FROM generate_series(1, 3) AS i;
SELECT add_request('ca', i * interval '1 min' + interval '10 s') FROM generate_series(1, 3) AS i;
SELECT results_eq('SELECT r.target_country, count(*) FROM claim(4) AS c (id uuid, ip text) JOIN active_trace_requests r ON r.request_id = c.id GROUP BY 1 ORDER BY 1',
                  $$VALUES ('ca', 2::bigint), ('us', 2::bigint)$$, 'slots go to the oldest requests of all countries');
SELECT is((SELECT count(*) FROM active_trace_requests t JOIN ip_rotation_pool p ON p.locked_by_request = t.request_id
            WHERE t.status = 'processing' AND p.country <> t.target_country), 0::bigint,
          'each through an IP of its own country');
SELECT is((SELECT min(next_attempt_at) > clock_timestamp() - interval '90 s' FROM active_trace_requests
            WHERE status = 'pending'), true, 'the youngest two wait');

-- Not before its time; priority first.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
SELECT add_request('us', '-10 s') AS later \gset
SELECT is(claimed(), 0::bigint, 'a request whose time has not come waits');
SELECT add_request('us', '60 s') AS plain \gset
SELECT add_request('us', '1 s', 1) AS first \gset
SELECT add_request('us', '0 s', 9) AS very_first \gset
SELECT results_eq('SELECT id FROM claim(1) AS c (id uuid, ip text)', format('VALUES (%L::uuid)', :'very_first'),
                  'the highest priority goes first');
SELECT results_eq('SELECT id FROM claim(2) AS c (id uuid, ip text) ORDER BY id = ' || quote_literal(:'plain') || '::uuid',
                  format('VALUES (%L::uuid), (%L::uuid)', :'first', :'plain'), 'then the next, then the others');

-- Providers: without a row, never; with one, its templates.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) VALUES ('user-12345678', '7000', 'us', 'luna');
SELECT add_request() AS gated \gset
SELECT is(claimed(), 0::bigint, 'an IP of a provider that is not configured is never claimed');
SELECT is((ip('user-12345678')).is_healthy, true, 'and never blamed');
INSERT INTO proxy_providers (provider, scheme, host_template, port_template, user_template, secret_name)
VALUES ('luna', 'socks5h', 'gw-{country}.luna.example', '1{port}', 'c-{ip}-{country}', 'luna_password');
SELECT results_eq('SELECT proxy_scheme, proxy_host, proxy_port, proxy_user, proxy_secret FROM claim_traces(1, ''w1'', 1000, NULL, NULL, NULL)',
                  $$VALUES ('socks5h', 'gw-us.luna.example', '17000', 'c-user-12345678-us', 'luna_password')$$,
                  'a gateway gets user name and port from the pool''s entry');

-- Options: the request's over the offer's.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
INSERT INTO offers (offer_name, referrer, expected_params, max_hops) VALUES ('opt', 'https://r.example/', '{gclid}', 7);
INSERT INTO active_trace_requests (tracking_url, offer_id, options)
SELECT 'https://t.example/', id, '{"mode": "http_only", "max_hops": 3}' FROM offers WHERE offer_name = 'opt';
SELECT is((SELECT options FROM claim_traces(1, 'w1', 1000, NULL, NULL, NULL)),
          '{"mode": "http_only", "max_hops": 3, "referrer": "https://r.example/", "expected_params": ["gclid"],
            "extract_only": false, "block_resources": true}', 'options are the offer''s under the request''s');

-- Cursors: what lies two seconds and more left of them is not read, with or without a request of a later time.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 8);
SELECT add_request('us', '60 s') AS far \gset
SELECT add_request('us', '10 s') AS near \gset
SELECT add_request('us', '11 s') AS lagging \gset
CREATE FUNCTION claim_from(p_age interval, p_ip_age interval, p_slots integer DEFAULT 1)
RETURNS TABLE (request_id uuid, ip_address text, request_cursor timestamptz, ip_cursor timestamptz) LANGUAGE sql AS $$
  SELECT c.request_id, c.ip_address, c.request_cursor, c.ip_cursor
    FROM claim_traces(p_slots, 'w1', 120000, ARRAY['us'], ARRAY[clock_timestamp() - p_age],
                      ARRAY[clock_timestamp() - p_ip_age]) AS c
$$;
SELECT is((SELECT request_id FROM claim_from('10 s', '1 day')), :'lagging', 'a scan begins two seconds before its cursor');
SELECT is((SELECT request_id FROM claim_from('10 s', '1 day')), :'near', 'and goes on from there');
SELECT is((SELECT count(*) FROM claim_from('10 s', '1 day')), 0::bigint, 'what lies left of it is not seen');
SELECT is((SELECT request_id FROM claim_traces(1, 'w1', 120000, ARRAY['us'], ARRAY[NULL::timestamptz], ARRAY[NULL::timestamptz])),
          :'far', 'an unknown cursor reads from the start');
SELECT add_request('us', '9 s') AS next \gset
SELECT is((SELECT request_id FROM claim_traces(1, 'w1', 120000, NULL, NULL, NULL)), :'next', 'no countries: everything');
SELECT add_request('us', '3 s') FROM generate_series(1, 3);
SELECT is((SELECT count(DISTINCT (request_cursor, ip_cursor)) FROM claim_from('5 s', '1 day', 3)), 1::bigint,
          'all rows of a country return the same cursors');
SELECT add_request('us', '2 s');
CREATE TEMP TABLE last_claim AS SELECT * FROM claim_from('3 s', '0 s');
SELECT is((SELECT count(*) FROM last_claim), 0::bigint, 'IPs have a cursor too');
SELECT add_request('us', '1 s', 5);
SELECT is((SELECT in_seconds(request_cursor) FROM claim_from('100 s', '1 day')), -100,
          'a request with priority leaves the cursor where it is');

-- One request in the whole queue goes the short way, by the same rules.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_request('us', '-1 hour') AS later \gset
SELECT add_ips('us', 3), add_ips('de', 1);
SELECT is(claimed(), 0::bigint, 'one request that is not due: nothing');
DELETE FROM active_trace_requests;
SELECT add_request('us', '3 s', 1) AS one \gset
UPDATE ip_rotation_pool SET provider = 'nobody' WHERE ip_address = 'us-1';
UPDATE active_trace_requests SET options = '{"mode": "http_only"}', revision = revision + 1,
       offer_id = '01900000-0000-7000-8000-00000000000f' WHERE request_id = :'one';
INSERT INTO offers (id, offer_name, tracer_mode, referrer) VALUES ('01900000-0000-7000-8000-00000000000f', 'lean', 'browser', 'https://r.example/');
CREATE TEMP TABLE lean AS SELECT * FROM claim_traces(10, 'w2', 60000, NULL, NULL, NULL);
SELECT is((SELECT (request_id, ip_address, attempt, offer_id, wait_ms / 1000, proxy_host, target_country)::text FROM lean),
          format('(%s,us-2,1,01900000-0000-7000-8000-00000000000f,3,us-2,us)', :'one'), 'one request: the IP that rested longest and may be used');
SELECT is((SELECT options->>'mode' FROM lean), 'http_only', 'its own options');
SELECT is((SELECT options->>'referrer' FROM lean), 'https://r.example/', 'go over the offer''s');
SELECT is((SELECT (request_cursor, ip_cursor) FROM lean), ((SELECT started_at FROM active_trace_requests), (ip('us-2')).free_at), 'and both cursors');
SELECT is((request(:'one')).status, 'processing', 'it is processing');
SELECT is(((request(:'one')).claimed_by, (request(:'one')).ip_assigned, in_seconds((request(:'one')).timeout_at))::text, '(w2,us-2,60)', 'for that worker');
SELECT is(((ip('us-2')).status, (ip('us-2')).locked_by, (ip('us-2')).locked_by_request)::text, format('(locked,w2,%s)', :'one'), 'on that IP');
SELECT is(claimed(), 0::bigint, 'and is not claimed twice');
SELECT is(finish(:'one', 'ok'), 'completed', 'finish takes it');
SELECT add_request('us') AS probed \gset
UPDATE ip_rotation_pool SET is_healthy = false, status = 'failed', next_probe_at = now() - interval '1 s', revision = revision + 1 WHERE country = 'us';
UPDATE ip_rotation_pool SET provider = 'other', locked_until = '-infinity', revision = revision + 1 WHERE country = 'us';
SELECT is(claimed(), 1::bigint, 'without a healthy IP it goes as a probe');
SELECT is((request(:'probed')).status, 'processing', 'all the same');

-- An IP rests, whichever way a claim goes.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 2);
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = clock_timestamp() + interval '1 min' WHERE ip_address = 'us-1';
SELECT add_request('us', '3 s'), add_request('us', '2 s');
SELECT is((SELECT array_agg(ip_address) FROM claim_traces(10, 'w1', 1000, NULL, NULL, NULL)), '{us-2}', 'of two IPs one rests: one request is served');
SELECT is(claimed(), 0::bigint, 'the last one waits for it');

SELECT * FROM finish();
ROLLBACK;
