-- What is traced (offers) and through what (proxy providers and their IPs).

CREATE TABLE offers (
  id                      uuid        NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
  offer_name              text        NOT NULL UNIQUE CHECK (offer_name <> ''),
  final_url               text,
  tracking_urls           jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(tracking_urls) = 'array'),
  allowed_hosts           text[]      NOT NULL DEFAULT '{}',
  target_country          text        NOT NULL DEFAULT 'us',
  country_from            text        NOT NULL DEFAULT 'offer' CHECK (country_from IN ('offer', 'header')),
  referrer                text,
  is_active               boolean     NOT NULL DEFAULT true,
  pass_params             boolean     NOT NULL DEFAULT true,
  trace_click_ids         text        NOT NULL DEFAULT 'none' CHECK (trace_click_ids IN ('none', 'marked', 'inbound')),
  fallback_url            text,
  redirect_param          text,
  tracer_mode             text        NOT NULL DEFAULT 'auto' CHECK (tracer_mode IN ('auto', 'http_only', 'browser')),
  tracer_detection_result jsonb,
  block_resources         boolean     NOT NULL DEFAULT true,
  extract_only            boolean     NOT NULL DEFAULT false,
  expected_params         text[]      NOT NULL DEFAULT '{}',
  user_agent              text,
  max_hops                integer     CHECK (max_hops BETWEEN 1 AND 100),
  timeout_ms              integer     CHECK (timeout_ms BETWEEN 100 AND 600000),
  max_retries             integer     CHECK (max_retries BETWEEN 0 AND 100),
  queue_ttl_s             integer     CHECK (queue_ttl_s BETWEEN 1 AND 31536000),
  evidence                text[]      NOT NULL DEFAULT '{}'
                          CHECK (evidence <@ ARRAY['screenshot', 'har', 'cookies', 'console']),
  tracking_mode           text        NOT NULL DEFAULT 'verify' CHECK (tracking_mode IN ('off', 'verify', 'fire')),
  notes                   text,
  created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE offers IS 'What a click can ask for: the name in the link, where it leads, and how it is traced.';
COMMENT ON COLUMN offers.offer_name IS 'The value of offer= in the click''s URL.';
COMMENT ON COLUMN offers.final_url IS 'Where clicks go when tracking_urls is empty.';
COMMENT ON COLUMN offers.tracking_urls IS 'Where clicks go: [{"url": "https://...", "weight": 1}], chosen by weight.';
COMMENT ON COLUMN offers.allowed_hosts IS 'Hosts that the visible target parameter may lead to; others are ignored.';
COMMENT ON COLUMN offers.target_country IS 'Country of the proxy IPs that trace it: ISO code, lower case.';
COMMENT ON COLUMN offers.country_from IS 'offer: always target_country. header: a trusted proxy''s country header goes first.';
COMMENT ON COLUMN offers.referrer IS 'Referer of the first request of a trace.';
COMMENT ON COLUMN offers.is_active IS 'Inactive offers are answered as unknown ones are (404, or fallback_url).';
COMMENT ON COLUMN offers.pass_params IS 'Append inbound parameters that no {placeholder} took.';
COMMENT ON COLUMN offers.trace_click_ids IS 'Click ids in the traced URL: none (dropped), marked (a test value), inbound (the visitor''s).';
COMMENT ON COLUMN offers.fallback_url IS 'Redirect target while the offer is inactive.';
COMMENT ON COLUMN offers.redirect_param IS 'Name of the visible target parameter; NULL is the edge''s default (redirection_url).';
COMMENT ON COLUMN offers.tracer_detection_result IS 'What the tracer found out about this offer: modes compared, signs seen.';
COMMENT ON COLUMN offers.block_resources IS 'The browser loads no images, fonts, media or pings.';
COMMENT ON COLUMN offers.extract_only IS 'Keep parameters and final URL, not the whole chain.';
COMMENT ON COLUMN offers.expected_params IS 'Parameters that a good trace ends with; missing ones make auto mode use the browser.';
COMMENT ON COLUMN offers.user_agent IS 'User-Agent of its traces; NULL is the worker''s own.';
COMMENT ON COLUMN offers.max_retries IS 'NULL is trace_policy.max_retries.';
COMMENT ON COLUMN offers.queue_ttl_s IS 'NULL is trace_policy.queue_ttl_s.';
COMMENT ON COLUMN offers.evidence IS 'What to keep beyond the chain: screenshot, har, cookies, console.';
COMMENT ON COLUMN offers.tracking_mode IS 'off, verify (expand and check, send nothing) or fire (needs the setting and tracking_allowed_hosts too).';

CREATE TABLE proxy_providers (
  provider          text        NOT NULL PRIMARY KEY CHECK (provider <> ''),
  scheme            text        NOT NULL DEFAULT 'http' CHECK (scheme IN ('http', 'https', 'socks5', 'socks5h')),
  host_template     text        NOT NULL DEFAULT '{ip}',
  port_template     text        NOT NULL DEFAULT '{port}',
  user_template     text,
  secret_name       text        CHECK (secret_name ~ '^[A-Za-z0-9_.-]+$' AND secret_name !~ '^\.'),
  secret_rotated_at timestamptz,
  notes             text,
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE proxy_providers IS
  'How an entry of ip_rotation_pool becomes a proxy: {ip}, {port} and {country} in the templates are the entry''s. '
  'IPs of a provider without a row here are never claimed.';
COMMENT ON COLUMN proxy_providers.host_template IS 'other: {ip}. A gateway, where the pool entry is a user name: gw.example.net.';
COMMENT ON COLUMN proxy_providers.user_template IS 'User name at the proxy, e.g. {ip} or customer-{ip}-country-{country}; NULL is none.';
COMMENT ON COLUMN proxy_providers.secret_name IS 'Name of the file in the worker''s secrets folder that holds the password; never the password.';
COMMENT ON COLUMN proxy_providers.secret_rotated_at IS 'When the password was last changed; old ones raise an alert.';

-- The plain case works at once; a gateway's address is known only to its customer.
INSERT INTO proxy_providers (provider, notes)
VALUES ('other', 'Plain proxies: ip_address and ip_port are where they listen.');

CREATE TABLE ip_rotation_pool (
  id                   uuid        NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
  ip_address           text        NOT NULL UNIQUE CHECK (ip_address <> ''),
  ip_port              text        NOT NULL DEFAULT '7000',
  country              text        NOT NULL DEFAULT 'us',
  provider             text        NOT NULL DEFAULT 'luna',
  status               ip_status   NOT NULL DEFAULT 'available',
  locked_until         timestamptz NOT NULL DEFAULT '-infinity',
  locked_by_request    uuid,
  last_used_at         timestamptz,
  total_uses           bigint      NOT NULL DEFAULT 0,
  success_count        bigint      NOT NULL DEFAULT 0,
  failure_count        bigint      NOT NULL DEFAULT 0,
  avg_response_time_ms integer,
  is_healthy           boolean     NOT NULL DEFAULT true,
  consecutive_failures integer     NOT NULL DEFAULT 0,
  last_health_check    timestamptz,
  created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  notes                text,
  locked_by            text,
  locked_for_batch     uuid,
  next_probe_at        timestamptz,
  revision             integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE ip_rotation_pool IS
  'Proxy IPs and, while one is locked, the lease of the request that uses it: who traces what, and until when.';
COMMENT ON COLUMN ip_rotation_pool.ip_address IS 'Address, or user name at a gateway: proxy_providers says how it is used.';
COMMENT ON COLUMN ip_rotation_pool.country IS 'ISO code, lower case; a request is traced through an IP of its own country.';
COMMENT ON COLUMN ip_rotation_pool.locked_until IS
  'While locked: end of the lease. Afterwards: end of the cooldown. -infinity: free since ever.';
COMMENT ON COLUMN ip_rotation_pool.locked_by_request IS 'The request that holds the lease.';
COMMENT ON COLUMN ip_rotation_pool.locked_by IS 'Incarnation of the worker that holds the lease; NULL for one taken by hand with lock_available_ip.';
COMMENT ON COLUMN ip_rotation_pool.locked_for_batch IS 'The batch that the leased trace counts for.';
COMMENT ON COLUMN ip_rotation_pool.success_count IS 'Uses in which the proxy did its work, whatever the target answered.';
COMMENT ON COLUMN ip_rotation_pool.failure_count IS 'Uses that failed and for which the proxy was to blame.';
COMMENT ON COLUMN ip_rotation_pool.avg_response_time_ms IS 'Moving average of the proxy''s response time.';
COMMENT ON COLUMN ip_rotation_pool.is_healthy IS 'false: out of rotation, but for a probe when next_probe_at is over.';
COMMENT ON COLUMN ip_rotation_pool.next_probe_at IS 'Unhealthy IPs: when a claim may try it again; infinity when a person took it out.';
COMMENT ON COLUMN ip_rotation_pool.revision IS
  'Grows with each change by a function. A change without it was made by hand, and a trigger completes it.';

-- Least recently used first, cooldown included, in one range scan; nobody needs to turn cooldown into available.
CREATE INDEX ip_rotation_pool_free ON ip_rotation_pool (country, locked_until)
 WHERE is_healthy AND status <> 'locked';
CREATE INDEX ip_rotation_pool_probe ON ip_rotation_pool (country, next_probe_at)
 WHERE NOT is_healthy AND status <> 'locked';
