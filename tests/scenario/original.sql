-- The original's schema as its handbook lists it, with foreign keys and the columns that its users know beyond the text.
CREATE TYPE trace_request_status AS ENUM ('pending', 'processing', 'completed', 'failed', 'timeout');
CREATE TYPE ip_pool_status AS ENUM ('available', 'locked', 'cooldown', 'failed');

CREATE TABLE offers (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), offer_name text NOT NULL UNIQUE, final_url text, tracking_urls jsonb,
  allowed_hosts text[], target_country text DEFAULT 'US', referrer text, is_active boolean DEFAULT true, tracer_mode text DEFAULT 'auto',
  tracer_detection_result jsonb, block_resources boolean, extract_only boolean, expected_params text[],
  owner_email text NOT NULL DEFAULT 'ops@example.net', created_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE ip_rotation_pool (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), ip_address text NOT NULL UNIQUE, ip_port text DEFAULT '7000', country text DEFAULT 'us',
  provider text DEFAULT 'luna', status ip_pool_status DEFAULT 'available', locked_until timestamptz, locked_by_request uuid,
  last_used_at timestamptz, total_uses bigint DEFAULT 0, success_count bigint DEFAULT 0, failure_count bigint DEFAULT 0,
  avg_response_time_ms integer, is_healthy boolean DEFAULT true, consecutive_failures integer DEFAULT 0, last_health_check timestamptz,
  created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), notes text);

CREATE TABLE active_trace_requests (
  request_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), offer_id uuid REFERENCES offers (id), tracking_url text, target_country text,
  inbound_params jsonb DEFAULT '{}', status trace_request_status DEFAULT 'pending', ip_assigned text REFERENCES ip_rotation_pool (ip_address),
  final_url text, extracted_params jsonb, redirect_chain jsonb, error_message text, retry_count integer DEFAULT 0,
  started_at timestamptz DEFAULT now(), completed_at timestamptz, timeout_at timestamptz DEFAULT now() + interval '90 s',
  trace_time_ms integer, tracer_mode_used text, detection_reason text, ip_locked_at timestamptz, wait_time_ms integer, total_time_ms integer,
  max_retries integer DEFAULT 2, created_at timestamptz DEFAULT now());

CREATE TABLE ip_pool_statistics (
  id bigserial PRIMARY KEY, recorded_at timestamptz DEFAULT now(), total_ips integer, available_ips integer, locked_ips integer, cooldown_ips integer,
  active_requests integer, avg_wait_time_ms integer, pool_utilization_percent integer);

-- ---- invented rows: every state, and what people leave behind

INSERT INTO offers (offer_name, final_url, tracking_urls, allowed_hosts, target_country, referrer, is_active, tracer_mode, tracer_detection_result,
                    block_resources, extract_only, expected_params) VALUES
  ('busy', 'http://shop.test/', '["http://go.test/busy?sub={sub}", {"url": "http://go.test/busy2", "weight": 0}]', '{shop.test}', ' US', 'https://ads.example/', NULL,
   'HTTP_ONLY', '{"mode": "http", "confidence": 0.9}', NULL, NULL, '{order}'),
  ('quiet', NULL, '[{"url": "http://go.test/quiet?sub={sub}", "weight": 3}]', '{}', 'us', NULL, true, 'http_only', NULL, true, false, '{}'),
  ('odd "name", ünï%/''', 'http://shop.test/?a=1&b=%20', 'null', NULL, NULL, '', false, 'magic', '"text"', false, true, NULL),
  ('', 'http://shop.test/', NULL, NULL, 'us', NULL, true, NULL, NULL, NULL, NULL, NULL);

INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider, status, locked_until, last_used_at, total_uses, success_count,
                              failure_count, avg_response_time_ms, is_healthy, consecutive_failures, notes)
SELECT format('user-%s-%s', c.country, i), CASE WHEN i % 5 = 0 THEN NULL ELSE '7000' END, c.country, 'luna', 'available', NULL,
       now() - i * interval '1 hour', i * 10, i * 9, i, 100 + i, true, 0, CASE WHEN i % 7 = 0 THEN E'note "quoted"\nsecond line\t\\' END
  FROM (VALUES ('us', 48), ('CA', 12)) AS c (country, n), generate_series(1, c.n) AS i;
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = now() + interval '10 min' WHERE ip_address = 'user-us-48';
UPDATE ip_rotation_pool SET status = 'locked', locked_until = now() - interval '1 hour', locked_by_request = gen_random_uuid() WHERE ip_address = 'user-us-47';
UPDATE ip_rotation_pool SET status = 'failed', is_healthy = false, consecutive_failures = 9, total_uses = NULL WHERE ip_address IN ('user-us-46', 'user-CA-1');

INSERT INTO active_trace_requests (offer_id, tracking_url, target_country, inbound_params, status, ip_assigned, final_url, extracted_params,
                                   redirect_chain, error_message, retry_count, started_at, completed_at, timeout_at, trace_time_ms,
                                   tracer_mode_used, detection_reason, wait_time_ms, created_at)
SELECT o.id, format('http://go.test/%s?sub=s%s', o.offer_name, i), CASE WHEN i % 3 = 0 THEN 'US' ELSE 'us' END,
       jsonb_build_object('gclid', 'g' || i, 'sub', 's' || i),
       (ARRAY['completed', 'completed', 'failed', 'timeout'])[1 + i % 4]::trace_request_status, format('user-us-%s', 1 + i % 40),
       CASE WHEN i % 4 < 2 THEN 'http://shop.test/?order=' || i END, jsonb_build_object('order', i),
       jsonb_build_array(jsonb_build_object('url', 'http://go.test/', 'status', 302), jsonb_build_object('url', 'http://shop.test/', 'status', 200)),
       CASE WHEN i % 4 >= 2 THEN E'No available IP in pool\twith "quotes" \\ and ü' END, i % 3,
       now() - i * interval '1 hour', now() - i * interval '1 hour' + interval '4 s', now() - i * interval '1 hour' + interval '90 s', 3500 + i,
       CASE WHEN i % 2 = 0 THEN 'http_only' ELSE 'browser' END, 'js_framework', 12, now() - i * interval '1 hour'
  FROM offers o, generate_series(1, 300) AS i
 WHERE o.offer_name = 'busy' OR (o.offer_name = 'quiet' AND i <= 20);

INSERT INTO active_trace_requests (offer_id, tracking_url, target_country, inbound_params, status, redirect_chain, extracted_params, retry_count, started_at,
                                   completed_at, timeout_at, created_at, trace_time_ms) VALUES
  ((SELECT id FROM offers WHERE offer_name = 'quiet'), NULL, NULL, NULL, 'completed', '["http://a.test/", "http://b.test/"]', '[1]', NULL, NULL, NULL, NULL, NULL, -5),
  ((SELECT id FROM offers WHERE offer_name = 'quiet'), 'http://a.test/', ' De ', '["x"]', 'failed', '"http://a.test/"', 'null', -1, now() - interval '400 days', NULL, NULL, NULL, NULL),
  ((SELECT id FROM offers WHERE offer_name = 'quiet'), E'http://a.test/?q=\\N\\.&t=\t', 'us', '"x"', 'timeout', '{"href": "x", "status": "302", "headers": {"a": 1}, "cookies_set": "text"}', NULL, 1, now() - interval '9 days', now() - interval '9 days', NULL, NULL, 1),
  (NULL, 'http://gone.test/', 'us', '{}', 'completed', '[null, 3, {"status": 200}]', '{}', 0, now() - interval '2 days', now() - interval '2 days', NULL, now(), 1),
  ((SELECT id FROM offers WHERE offer_name = 'busy'), 'http://go.test/busy?sub=waiting', 'us', '{"sub": "waiting"}', 'pending', NULL, NULL, 0, now() - interval '1 hour', NULL, now(), now(), NULL),
  ((SELECT id FROM offers WHERE offer_name = 'busy'), 'http://go.test/busy?sub=stuck', 'us', '{"sub": "stuck"}', 'processing', NULL, NULL, 1, now() - interval '1 hour', NULL, now() - interval '58 min', now(), NULL),
  ((SELECT id FROM offers WHERE offer_name = 'busy'), 'http://go.test/busy?sub=running', 'us', '{"sub": "running"}', 'processing', NULL, NULL, 0, now(), NULL, now() + interval '1 hour', now(), NULL);

INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, active_requests, avg_wait_time_ms, pool_utilization_percent)
SELECT now() - i * interval '10 min', 60, 60 - i % 7, i % 7, 0, i % 5, NULLIF(i, 3), CASE WHEN i % 9 > 0 THEN i % 80 END FROM generate_series(1, 200) AS i;
INSERT INTO ip_pool_statistics (recorded_at, total_ips) VALUES (NULL, 60);
