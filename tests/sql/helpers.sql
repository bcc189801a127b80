-- The small functions, and track_event.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

CREATE TEMP TABLE ids AS SELECT uuid_v7() AS id FROM generate_series(1, 1000);
SELECT is((SELECT count(DISTINCT id) FROM ids), 1000::bigint, 'uuid_v7: no two are equal');
SELECT is((SELECT count(*) FROM ids WHERE id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'),
          1000::bigint, 'version 7, RFC variant');
SELECT is((SELECT count(*) FROM ids
            WHERE abs(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint
                      - extract(epoch FROM clock_timestamp()) * 1000) < 60000), 1000::bigint, 'beginning with the time');
SELECT is(ms_between('2026-01-01 00:00:00+00', '2026-01-01 00:00:01.5+00'), 1500, 'ms_between');
SELECT is(ms_between('2026-01-01 00:00:01+00', '2026-01-01 00:00:00+00'), 0, 'never negative');
SELECT is(ms_between('1990-01-01 00:00:00+00', '2026-01-01 00:00:00+00'), 2147483647, 'never too large');
SELECT is(ms_between(NULL, now()), NULL, 'unknown stays unknown');
SELECT ok(retry_pause(0, 5, 600) BETWEEN interval '3.75 s' AND interval '6.25 s', 'retry_pause: the first');
SELECT ok(retry_pause(3, 5, 600) BETWEEN interval '30 s' AND interval '50 s', 'doubles');
SELECT ok(retry_pause(99, 5, 600) BETWEEN interval '450 s' AND interval '750 s', 'up to the longest');
SELECT ok((SELECT count(DISTINCT retry_pause(0, 5, 600)) FROM generate_series(1, 50)) > 40, 'and differs each time');
SELECT is(moving_average(100, 200), 110, 'moving_average');
SELECT is(moving_average(NULL, 200), 200, 'begins with the first value');
SELECT is(moving_average(100, NULL), 100, 'keeps the old without a new one');
SELECT is(moving_average(2147483647, 2147483647), 2147483647, 'does not overflow');
SELECT is(proxy_text('{ip}:{port}/{country}/{ip}', 'a', '1', 'us'), 'a:1/us/a', 'proxy_text');
SELECT is(proxy_text(NULL, 'a', '1', 'us'), NULL, 'no template, no text');
SELECT is(proxy_text('{ip}', '{port}', '1', 'us'), '{port}', 'what was filled in is not filled again');
SELECT is(offer_options(NULL::offers), '{}', 'no offer, no options');
SELECT is(schema_version(), (SELECT max(version) FROM schema_migrations), 'schema_version is the highest number');

-- Checks that keep nonsense out
SELECT throws_ok($$INSERT INTO proxy_providers (provider, secret_name) VALUES ('p', '../etc/passwd')$$, '23514', NULL,
                 'a secret''s name is no path');
SELECT throws_ok($$INSERT INTO proxy_providers (provider, scheme) VALUES ('p', 'ftp')$$, '23514', NULL, 'a scheme we can speak');
SELECT throws_ok(format($$INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (%L, 'x', 'x')$$, h), '23514', NULL,
                 format('%L is no host', h))
  FROM unnest(ARRAY['', '.', 'Example.net', 'http://example.net', 'example.net/x', 'a b', 'example.net.', '*.example.net']) AS h;
SELECT lives_ok($$INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES ('example.net', 'us', 'test'), ('.example.net', 'us', 'test')$$,
                'a host and its subdomains');

-- track_event
INSERT INTO tracking_events (request_id, ad_view_id, event, ord, is_billing, url_template, dedup_key, state, attempts, due_at)
SELECT '01900000-0000-7000-8000-000000000001', uuid_v7(), e.event, 0, false, 'https://t.example/', e.key::bytea, e.state, e.attempts, e.due
  FROM (VALUES ('start', 'a', 'pending', 0, 'infinity'::timestamptz), ('start', 'b', 'pending', 0, 'infinity'),
               ('start', 'c', 'tracked', 1, now()), ('start', 'd', 'sending', 1, now()),
               ('click', 'e', 'pending', 0, 'infinity')) AS e (event, key, state, attempts, due);
SELECT is(track_event('01900000-0000-7000-8000-000000000001', 'start', '{"CACHEBUSTING": "1"}', '{"p": "2"}'), 2,
          'the event''s URLs that were not sent yet');
SELECT is((SELECT array_agg(dedup_key::text ORDER BY 1) FROM tracking_events WHERE due_at <= clock_timestamp() AND state = 'pending'),
          ARRAY['a'::bytea::text, 'b'::bytea::text], 'become due');
SELECT is((SELECT (macros, params)::text FROM tracking_events WHERE dedup_key = 'a'),
          '("{""CACHEBUSTING"": ""1""}","{""p"": ""2""}")', 'with macros and parameters');
SELECT is(track_event('01900000-0000-7000-8000-000000000001', 'complete'), 0, 'an event that the trace did not find: none');
SELECT is((SELECT mode FROM tracking_events WHERE dedup_key = 'a'), 'verify', 'nothing is set to fire by itself');

SELECT * FROM finish();
ROLLBACK;
