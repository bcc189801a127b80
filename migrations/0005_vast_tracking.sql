-- VAST: providers, and the outbox of tracking requests with its gate.
--
-- Nothing leaves unless the setting, the offer's tracking_mode and an entry of tracking_allowed_hosts say so; the
-- list of hosts starts empty. Attempts are kept as an audit.

CREATE TABLE vast_providers (
  provider            text        NOT NULL PRIMARY KEY CHECK (provider <> ''),
  hosts               text[]      NOT NULL DEFAULT '{}',
  macro_mode          text        NOT NULL DEFAULT 'leave' CHECK (macro_mode IN ('leave', 'iab')),
  macros              jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(macros) = 'object'),
  params              jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(params) = 'object'),
  max_wrappers        integer     NOT NULL DEFAULT 5 CHECK (max_wrappers BETWEEN 0 AND 20),
  timeout_ms          integer     NOT NULL DEFAULT 5000 CHECK (timeout_ms BETWEEN 100 AND 60000),
  requests_per_minute integer     NOT NULL DEFAULT 60 CHECK (requests_per_minute BETWEEN 1 AND 100000),
  is_active           boolean     NOT NULL DEFAULT true,
  notes               text,
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE vast_providers IS 'Ad servers with ways of their own: macros, parameters, limits.';
COMMENT ON COLUMN vast_providers.hosts IS 'Hosts of its tags: exact names, or suffixes that begin with a dot.';
COMMENT ON COLUMN vast_providers.macro_mode IS 'leave: unknown macros stay as they are. iab: they become what VAST 4 asks for.';
COMMENT ON COLUMN vast_providers.requests_per_minute IS 'A fetched tag can count as an ad request: the cap.';

CREATE TABLE tracking_allowed_hosts (
  host       text        NOT NULL PRIMARY KEY
             CHECK (host = lower(host) AND host ~ '^\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$'),
  owner      text        NOT NULL,
  purpose    text        NOT NULL,
  expires_at timestamptz,
  created_by text        NOT NULL DEFAULT session_user,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE tracking_allowed_hosts IS 'The only hosts that tracking requests may be sent to. Empty: nothing is sent.';
COMMENT ON COLUMN tracking_allowed_hosts.host IS 'An exact name, or a suffix that begins with a dot (.example.net: its subdomains).';
COMMENT ON COLUMN tracking_allowed_hosts.owner IS 'Who owns the host and agreed.';
COMMENT ON COLUMN tracking_allowed_hosts.expires_at IS 'The entry counts until then; NULL for ever.';

CREATE TABLE tracking_events (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id     uuid        NOT NULL,
  ad_view_id     uuid        NOT NULL,
  ad_index       integer     NOT NULL DEFAULT 0,
  creative_index integer     NOT NULL DEFAULT 0,
  event          text        NOT NULL,
  ord            integer     NOT NULL,
  is_billing     boolean     NOT NULL,
  url_template   text        NOT NULL,
  url            text,
  host           text,
  macros         jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(macros) = 'object'),
  params         jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(params) = 'object'),
  dedup_key      bytea       NOT NULL UNIQUE,
  mode           text        NOT NULL DEFAULT 'verify' CHECK (mode IN ('verify', 'fire')),
  state          text        NOT NULL DEFAULT 'pending'
                 CHECK (state IN ('pending', 'sending', 'tracked', 'failed', 'waiting', 'unknown', 'blocked',
                                  'expired', 'skipped')),
  attempts       integer     NOT NULL DEFAULT 0,
  max_attempts   integer     NOT NULL DEFAULT 4 CHECK (max_attempts BETWEEN 1 AND 20),
  due_at         timestamptz NOT NULL DEFAULT 'infinity',
  expires_at     timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 hour',
  claimed_by     text,
  lease_until    timestamptz,
  sent_at        timestamptz,
  response_ms    integer,
  last_error     text,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
COMMENT ON TABLE tracking_events IS 'Outbox: every tracking URL of an ad view, and what became of it.';
COMMENT ON COLUMN tracking_events.ord IS 'Order within a view: impression 0, start and creativeView 10, quartiles 25 to 100.';
COMMENT ON COLUMN tracking_events.is_billing IS 'impression, viewable, click: sent at most once, whatever happens.';
COMMENT ON COLUMN tracking_events.url IS 'Expanded at the first claim and kept, so that each attempt sends the same.';
COMMENT ON COLUMN tracking_events.dedup_key IS 'Hash of view, event, offset, position and template: parsing a document twice adds nothing.';
COMMENT ON COLUMN tracking_events.mode IS 'verify: expanded, checked, recorded, not sent.';
COMMENT ON COLUMN tracking_events.due_at IS 'infinity: waits to be asked for (track_event); click trackers always do.';
CREATE INDEX tracking_events_due ON tracking_events (due_at) WHERE state IN ('pending', 'waiting');
CREATE INDEX tracking_events_sending ON tracking_events (lease_until) WHERE state = 'sending';
CREATE INDEX tracking_events_request ON tracking_events (request_id, event);
CREATE INDEX tracking_events_view ON tracking_events (ad_view_id, ord);

CREATE TABLE tracking_attempts (
  event_id    bigint      NOT NULL,
  attempt     integer     NOT NULL,
  started_at  timestamptz NOT NULL,
  ended_at    timestamptz,
  phase       text,
  http_status integer,
  error       text,
  conn_reused boolean,
  remote_addr text,
  worker      text,
  PRIMARY KEY (event_id, attempt)
);
COMMENT ON TABLE tracking_attempts IS 'Audit of what was sent where and when, and what came back.';
COMMENT ON COLUMN tracking_attempts.phase IS 'How far it came: resolve, connect, tls, sent, answered.';
