-- Ad servers as data for the farm, offers that are an ad tag, and what a view has to remember of its provider.
SET LOCAL lock_timeout = '10s';

ALTER TABLE vast_providers
  ADD COLUMN base_url      text   CHECK (base_url ~* '^https?://[^/]'),
  ADD COLUMN headers       jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object'),
  ADD COLUMN encoding      jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(encoding) = 'object'),
  ADD COLUMN retries       integer NOT NULL DEFAULT 0   CHECK (retries BETWEEN 0 AND 5),
  ADD COLUMN cache_ttl_s   integer                      CHECK (cache_ttl_s BETWEEN 0 AND 86400),
  ADD COLUMN macro_formats text[] NOT NULL DEFAULT ARRAY['[]', '${}']
             CHECK (macro_formats <@ ARRAY['[]', '${}'] AND cardinality(macro_formats) > 0),
  ADD COLUMN events        jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(events) = 'object'),
  ADD COLUMN extras        jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(extras) = 'object');
COMMENT ON TABLE vast_providers IS
  'Ad servers with ways of their own: how their tags are requested, their macros, what of them is logged and kept. Holds no secrets.';
COMMENT ON COLUMN vast_providers.is_active IS 'false: nothing is requested from it and none of its ad views is planned.';
COMMENT ON COLUMN vast_providers.hosts IS
  'Hosts that get its headers: exact names, or suffixes that begin with a dot. Empty: the host of the tag alone.';
COMMENT ON COLUMN vast_providers.base_url IS 'Its tag; where clicks of its vast offers go that have no URL of their own.';
COMMENT ON COLUMN vast_providers.params IS 'Added to the tag''s query unless it has them: {"name": "text" or ["text", ...]}; macros are expanded.';
COMMENT ON COLUMN vast_providers.headers IS 'Sent with tag and wrapper requests to its hosts: {"Name": "value"}.';
COMMENT ON COLUMN vast_providers.encoding IS
  '{"space": "percent" or "plus", "unicode": "encode" or "keep", "raw": [parameters that are taken as they stand]}.';
COMMENT ON COLUMN vast_providers.timeout_ms IS 'Of one request, redirects included.';
COMMENT ON COLUMN vast_providers.retries IS 'Further attempts after no connection, or 429, 502, 503, 504.';
COMMENT ON COLUMN vast_providers.cache_ttl_s IS 'How long answers are kept for offers with vast_cache; NULL: the setting vast.cache_ttl_s.';
COMMENT ON COLUMN vast_providers.macro_formats IS 'Spellings of macros that it knows: [] and ${}.';
COMMENT ON COLUMN vast_providers.macros IS 'Values for macros: {"NAME": "text", ["text", ...], or null for known but withheld}.';
COMMENT ON COLUMN vast_providers.events IS 'What of its views is logged: {"include": [globs], "exclude": [globs]}, as in progress-*.';
COMMENT ON COLUMN vast_providers.extras IS 'Further things to read from its documents: {"name": "XPath"}; results are in the evidence.';
COMMENT ON COLUMN vast_providers.requests_per_minute IS
  'A fetched tag can count as an ad request: the cap of one worker host, shared by its children.';

ALTER TABLE offers
  ADD COLUMN kind          text    NOT NULL DEFAULT 'link' CHECK (kind IN ('link', 'vast')),
  ADD COLUMN vast_provider text    CHECK (vast_provider <> ''),
  ADD COLUMN vast_cache    boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN offers.kind IS 'link: a page behind redirects. vast: an ad tag, requested as its provider wants it.';
COMMENT ON COLUMN offers.vast_provider IS 'Name in vast_providers, or of a [vast_provider NAME] of the worker''s ini; NULL: settings alone.';
COMMENT ON COLUMN offers.vast_cache IS
  'Answers of its ad servers may serve its other traces in the same country, whichever proxy fetched them.';

ALTER TABLE ad_view_plans
  ADD COLUMN provider      text,
  ADD COLUMN macro_mode    text   CHECK (macro_mode IN ('leave', 'iab')),
  ADD COLUMN macro_formats text[],
  ADD COLUMN error_code    integer;
COMMENT ON COLUMN ad_view_plans.macro_mode IS 'The provider''s, for URLs that are expanded later; NULL: the setting tracking.macros.';
COMMENT ON COLUMN ad_view_plans.error_code IS 'Not a view: an ad that was lost with this VAST error code, and whom that is told.';

ALTER TABLE tracking_events ADD COLUMN is_logged boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN tracking_events.is_logged IS 'false: the provider''s filter keeps it out of the log.';

-- As before, and what became of an ad that was lost is no view that ended.
CREATE OR REPLACE VIEW ad_views AS
SELECT p.ad_view_id, p.request_id, p.offer_id, p.ad_index, p.creative_index, p.ad_id, p.creative_id, p.ad_system, p.mode,
       p.duration_ms, p.begins_at, p.interrupted_at, p.interrupt_reason,
       CASE WHEN p.error_code IS NOT NULL THEN 'error'
            WHEN p.mode = 'verify' THEN 'verified'
            WHEN p.interrupted_at IS NOT NULL THEN 'interrupted'
            WHEN s.open > 0 THEN 'playing'
            WHEN s.is_complete THEN 'complete'
            ELSE 'ended' END AS state,
       s.events, s.tracked, s.failed, s.unknown, s.blocked, s.expired, s.skipped, s.open,
       CASE WHEN s.is_complete THEN 100 ELSE s.quartile END AS percent_tracked, s.avg_response_ms, s.attempts,
       s.first_sent_at, s.last_sent_at, p.provider, p.error_code
  FROM ad_view_plans p
 CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE e.is_scheduled) AS events,
               count(*) FILTER (WHERE e.state = 'tracked') AS tracked,
               count(*) FILTER (WHERE e.state = 'failed') AS failed,
               count(*) FILTER (WHERE e.state = 'unknown') AS unknown,
               count(*) FILTER (WHERE e.state = 'blocked') AS blocked,
               count(*) FILTER (WHERE e.state = 'expired') AS expired,
               count(*) FILTER (WHERE e.state = 'skipped') AS skipped,
               count(*) FILTER (WHERE e.state IN ('pending', 'waiting', 'sending') AND e.due_at < 'infinity') AS open,
               coalesce(bool_or(e.state = 'tracked' AND e.event = 'complete'), false) AS is_complete,
               coalesce(max(CASE e.event WHEN 'firstQuartile' THEN 25 WHEN 'midpoint' THEN 50 WHEN 'thirdQuartile' THEN 75
                                         ELSE 0 END) FILTER (WHERE e.state = 'tracked'), 0) AS quartile,
               round(avg(e.response_ms) FILTER (WHERE e.state = 'tracked'))::integer AS avg_response_ms,
               coalesce(sum(e.attempts), 0) AS attempts,
               min(e.sent_at) AS first_sent_at, max(e.sent_at) AS last_sent_at
          FROM tracking_events e
         WHERE e.ad_view_id = p.ad_view_id) AS s;
