-- The pool in people's hands: in, out, on, off, and how many there should be.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
UPDATE trace_policy SET cooldown_s = 0;

SELECT is(add_ips(ARRAY['192.0.2.1', ' 192.0.2.2', '192.0.2.1'], 'DE', 'other', '3128'), 2, 'add_ips: each once');
SELECT is(add_ips(ARRAY['192.0.2.2', '192.0.2.3'], 'fr'), 1, 'what is there stays');
SELECT results_eq('SELECT ip_address, ip_port, country FROM ip_rotation_pool ORDER BY 1',
                  $$VALUES ('192.0.2.1', '3128', 'de'), ('192.0.2.2', '3128', 'de'), ('192.0.2.3', '7000', 'fr')$$, 'as given');

-- CSV: out and in again changes nothing
CREATE TEMP TABLE before AS SELECT * FROM ip_rotation_pool;
CREATE TEMP TABLE csv AS SELECT * FROM pool_csv;
INSERT INTO pool_csv SELECT * FROM csv;
SELECT results_eq('SELECT id, ip_port, country, provider, notes, status, is_healthy, total_uses FROM ip_rotation_pool ORDER BY 1',
                  'SELECT id, ip_port, country, provider, notes, status, is_healthy, total_uses FROM before ORDER BY 1',
                  'pool_csv: what it gave it takes');
INSERT INTO pool_csv VALUES ('192.0.2.3', '8080', ' GB ', '', 'moved'), ('192.0.2.4', '', '', NULL, NULL);
SELECT results_eq('SELECT ip_address, ip_port, country, provider, notes FROM ip_rotation_pool WHERE ip_address >= ''192.0.2.3'' ORDER BY 1',
                  $$VALUES ('192.0.2.3', '8080', 'gb', 'other', 'moved'), ('192.0.2.4', '7000', 'us', 'other', NULL)$$,
                  'corrects what is there and adds what is new');
SELECT throws_ok($$INSERT INTO pool_csv (ip_address) VALUES (' ')$$, '23514', NULL, 'an empty address is refused');

-- A correction while it is leased leaves the lease alone.
SELECT add_request('gb') AS leased \gset
SELECT is(claimed(), 1::bigint, '(one is leased)');
INSERT INTO pool_csv VALUES ('192.0.2.3', '8081', 'gb', 'other', NULL);
SELECT is(((ip('192.0.2.3')).status, (ip('192.0.2.3')).notes)::text, '(locked,moved)', 'a correction ends no lease');

-- disable, enable
SELECT is(disable_ips(ARRAY['192.0.2.3', '192.0.2.4', 'nobody']), 2, 'disable_ips: those that there are');
SELECT is((request(:'leased')).status, 'processing', 'a running trace goes on');
SELECT is(finish(:'leased', 'ok'), 'completed', 'to its end');
SELECT is(((ip('192.0.2.3')).is_healthy, (ip('192.0.2.3')).next_probe_at)::text, '(f,infinity)', 'and the IP stays out');
SELECT add_request('gb'), add_request('us');
SELECT is(claimed(10), 0::bigint, 'disabled IPs are not used');
SELECT is(enable_ips(ARRAY['192.0.2.3', '192.0.2.4']), 2, 'enable_ips');
SELECT is(claimed(10), 2::bigint, 'they are used again');

-- retire
SELECT is(retire_ips(ARRAY['192.0.2.1', '192.0.2.3']), 2, 'retire_ips');
SELECT is((SELECT count(*) FROM ip_rotation_pool WHERE ip_address = '192.0.2.1'), 0::bigint, 'a free one goes at once');
SELECT is((SELECT count(*) FROM pool_csv WHERE ip_address = '192.0.2.3'), 0::bigint, 'a leased one leaves the list');
SELECT is((ip('192.0.2.3')).status, 'locked', 'but its trace goes on');
SELECT prune_history();
SELECT is((ip('192.0.2.3')).status, 'locked', 'undisturbed');
SELECT finish((ip('192.0.2.3')).locked_by_request, 'ok');
SELECT prune_history();
SELECT is((SELECT count(*) FROM ip_rotation_pool WHERE ip_address = '192.0.2.3'), 0::bigint, 'and then it goes');
SELECT is((SELECT count(*) FROM trace_attempts WHERE ip_address = '192.0.2.3'), 2::bigint, 'what was traced through it stays');

-- requeue
DELETE FROM active_trace_requests;
INSERT INTO offers (offer_name) VALUES ('shop');
INSERT INTO active_trace_requests (tracking_url, offer_name, status, started_at, retry_count)
VALUES ('https://t.example/1', 'shop', 'failed', now() - interval '1 hour', 2),
       ('https://t.example/2', 'other', 'failed', now() - interval '2 hours', 2),
       ('https://t.example/3', 'shop', 'failed', now() - interval '2 days', 2),
       ('https://t.example/4', 'shop', 'timeout', now() - interval '1 hour', 2),
       ('https://t.example/5', 'shop', 'completed', now(), 0);
SELECT is(requeue_requests('failed', '1 day', 'shop'), 1, 'requeue_requests: of one offer');
SELECT results_eq('SELECT tracking_url, retry_count FROM active_trace_requests WHERE next_attempt_at <= clock_timestamp()',
                  $$VALUES ('https://t.example/1', 0)$$, 'is claimable with fresh retries');
SELECT is(requeue_requests(), 1, 'failed ones of a day, of all offers');
SELECT is(requeue_requests('failed', '10 days', p_limit => 0), 0, 'as many as asked');
SELECT is(requeue_requests('timeout', '1 day'), 1, 'or those that ran out of time');
SELECT throws_ok($$SELECT requeue_requests('processing')$$, '22023', NULL, 'one that runs is left alone');

-- credentials
UPDATE proxy_providers SET secret_name = 'old', credentials_rotated_at = now() - interval '1 year' WHERE provider = 'other';
SELECT is(credentials_rotated('other'), true, 'credentials_rotated');
SELECT is((SELECT (secret_name, in_seconds(credentials_rotated_at))::text FROM proxy_providers WHERE provider = 'other'), '(old,0)', 'keeps when');
SELECT is(credentials_rotated('other', 'new'), true, 'with a new file');
SELECT is((SELECT secret_name FROM proxy_providers WHERE provider = 'other'), 'new', 'keeps which');
SELECT is(credentials_rotated('nobody'), false, 'an unknown provider is told');
CREATE FUNCTION pg_temp.rotated_s() RETURNS integer LANGUAGE sql AS
  $$SELECT in_seconds(credentials_rotated_at) FROM proxy_providers WHERE provider = 'other'$$;
UPDATE proxy_providers SET credentials_rotated_at = clock_timestamp() - interval '1 day' WHERE provider = 'other';
UPDATE proxy_providers SET notes = 'x', secret_name = 'new' WHERE provider = 'other';
SELECT is(pg_temp.rotated_s(), -86400, 'what is no credential leaves it');
UPDATE proxy_providers SET secret_name = 'newer' WHERE provider = 'other';
SELECT is(pg_temp.rotated_s(), 0, 'another file by hand is noted');
UPDATE proxy_providers SET user_template = '{ip}-eu', credentials_rotated_at = clock_timestamp() - interval '1 hour' WHERE provider = 'other';
SELECT is(pg_temp.rotated_s(), -3600, 'a moment written with it counts');
UPDATE proxy_providers SET user_template = '{ip}-us' WHERE provider = 'other';
SELECT is(pg_temp.rotated_s(), 0, 'another user name is noted');

-- How many there should be
DELETE FROM ip_rotation_pool;
DELETE FROM active_trace_requests;
SELECT add_ips('us', 10), add_ips('de', 9);
SELECT add_request('us') FROM generate_series(1, 30);
SELECT add_request('ca') FROM generate_series(1, 10);
INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests,
  requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown)
SELECT now() - s.ago, 0, 0, s.us + s.de, 0, 0, 0, 0, 0, 0, 0, 100,
       jsonb_build_object('us', jsonb_build_object('locked', s.us), 'de', jsonb_build_object('locked', s.de))
  FROM (VALUES (interval '1 day', 8, 0), (interval '2 days', 3, 2), (interval '8 days', 100, 100)) AS s (ago, us, de);
SELECT results_eq('SELECT country, peak_concurrency, click_percent, needed_by_peak, needed_by_clicks, healthy_ips, missing_ips FROM pool_advice ORDER BY 1',
                  $$VALUES ('ca', 0, 25.0, 0, 6, 0, 6), ('de', 2, 0, 6, 0, 9, 0), ('us', 8, 75.0, 24, 18, 10, 14)$$,
                  'pool_advice: a week''s peak x 2.5 + 20 %, and by share of the clicks');
DELETE FROM ip_pool_statistics;
SELECT results_eq('SELECT country, missing_ips FROM pool_advice ORDER BY 1', $$VALUES ('ca', 1), ('de', 0), ('us', 0)$$,
                  'without history: one where clicks come from and none is');

SELECT * FROM finish();
ROLLBACK;
