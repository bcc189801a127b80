-- The original's tables as tracepool would keep them: one JSON object a row, in temporary views. Read from whole rows
-- (to_jsonb), so that a column which that installation does not have is just missing, and made orderly here, once, so that
-- `move check` can compare both sides line by line.
\ir ../session.sql

-- What tracepool has taken over; `was` is the row as it was then. Without a policy nobody but its owner reads it.
CREATE TABLE IF NOT EXISTS public.moved_to_tracepool (
  kind     text        NOT NULL CHECK (kind IN ('offer', 'ip', 'request')),
  name     text        NOT NULL,
  was      jsonb,
  moved_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, name)
);
ALTER TABLE public.moved_to_tracepool ENABLE ROW LEVEL SECURITY;

-- Array, array of texts, object: whatever stands there.
CREATE FUNCTION pg_temp.list(p jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_typeof(p) = 'array' THEN p ELSE '[]' END
$$;
CREATE FUNCTION pg_temp.words(p jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(w.it #>> '{}' ORDER BY w.place) FILTER (WHERE w.it <> 'null'), '[]')
    FROM jsonb_array_elements(pg_temp.list(p)) WITH ORDINALITY AS w (it, place)
$$;
CREATE FUNCTION pg_temp.object(p jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE jsonb_typeof(p) WHEN 'object' THEN p WHEN 'null' THEN NULL ELSE jsonb_build_object('value', p) END WHERE p IS NOT NULL
$$;

CREATE FUNCTION pg_temp.country(p text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(nullif(lower(btrim(p)), ''), 'us')
$$;

-- [{"url", "weight"}] from objects or plain strings; a weight that is no whole number counts as 1, as one that is missing.
CREATE FUNCTION pg_temp.urls(p jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object(
           'url', CASE jsonb_typeof(u.it) WHEN 'object' THEN coalesce(u.it->>'url', '') ELSE u.it #>> '{}' END,
           'weight', CASE WHEN u.it->>'weight' ~ '^\d{1,9}$' THEN (u.it->>'weight')::integer ELSE 1 END) ORDER BY u.place), '[]')
    FROM jsonb_array_elements(pg_temp.list(p)) WITH ORDINALITY AS u (it, place)
$$;

-- A chain as hops with a URL and perhaps a status; a hop that said more is kept whole beside them.
CREATE FUNCTION pg_temp.hop(p jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE jsonb_typeof(p)
         WHEN 'object' THEN jsonb_build_object('url', coalesce(p->>'url', p->>'href', ''))
           || CASE WHEN jsonb_typeof(p->'status') = 'number' THEN jsonb_build_object('status', p->'status') ELSE '{}' END
           || CASE WHEN p - '{url,status}'::text[] <> '{}' THEN jsonb_build_object('original', p) ELSE '{}' END
         ELSE jsonb_build_object('url', coalesce(p #>> '{}', '')) END
$$;
CREATE FUNCTION pg_temp.chain(p jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE jsonb_typeof(p)
         WHEN 'array' THEN (SELECT coalesce(jsonb_agg(pg_temp.hop(h.it) ORDER BY h.place), '[]') FROM jsonb_array_elements(p) WITH ORDINALITY AS h (it, place))
         WHEN 'object' THEN jsonb_build_array(pg_temp.hop(p))
         WHEN 'string' THEN jsonb_build_array(pg_temp.hop(p)) END
$$;

CREATE TEMP VIEW moving_offers AS
SELECT o.r->>'offer_name' AS name,
       jsonb_build_object(
         'id', o.r->'id', 'offer_name', o.r->'offer_name', 'final_url', o.r->'final_url', 'tracking_urls', pg_temp.urls(o.r->'tracking_urls'),
         'allowed_hosts', pg_temp.words(o.r->'allowed_hosts'), 'target_country', pg_temp.country(o.r->>'target_country'),
         'referrer', o.r->'referrer', 'is_active', coalesce((o.r->>'is_active')::boolean, true),
         'tracer_mode', CASE WHEN lower(o.r->>'tracer_mode') IN ('http_only', 'browser') THEN lower(o.r->>'tracer_mode') ELSE 'auto' END,
         'tracer_detection_result', o.r->'tracer_detection_result',
         'block_resources', coalesce((o.r->>'block_resources')::boolean, true),
         'extract_only', coalesce((o.r->>'extract_only')::boolean, false), 'expected_params', pg_temp.words(o.r->'expected_params')) AS line
  FROM (SELECT to_jsonb(t) AS r FROM public.offers t OFFSET 0) AS o;

-- A request that was handed over unfinished is a pending one here, whatever is written there now.
CREATE TEMP VIEW moving_requests AS
SELECT q.offer_name AS offer, q.r->>'request_id' AS id, q.handed_over,
       q.handed_over OR q.r->>'status' IN ('completed', 'failed', 'timeout') AS is_ready,
       jsonb_build_object(
         'request_id', q.r->'request_id', 'offer_id', q.r->'offer_id', 'offer_name', q.offer_name, 'tracking_url', coalesce(q.r->>'tracking_url', ''),
         'target_country', pg_temp.country(q.r->>'target_country'), 'inbound_params', coalesce(pg_temp.object(q.r->'inbound_params'), '{}'),
         'started_at', coalesce(q.r->>'started_at', q.r->>'created_at', q.r->>'completed_at', q.r->>'timeout_at', '2000-01-01T00:00:00+00:00'))
       || CASE WHEN q.handed_over THEN jsonb_build_object('click_path', 'original_open', 'status', 'pending', 'retry_count', 0)
          ELSE jsonb_build_object(
         'click_path', 'original', 'status', q.r->'status', 'ip_assigned', q.r->'ip_assigned', 'final_url', q.r->'final_url',
         'extracted_params', coalesce(pg_temp.object(q.r->'extracted_params'), 'null'), 'redirect_chain', coalesce(pg_temp.chain(q.r->'redirect_chain'), 'null'),
         'error_message', q.r->'error_message', 'retry_count', greatest(coalesce((q.r->>'retry_count')::integer, 0), 0),
         'completed_at', coalesce(q.r->>'completed_at', q.r->>'timeout_at', q.r->>'started_at', q.r->>'created_at', '2000-01-01T00:00:00+00:00'),
         'timeout_at', q.r->'timeout_at', 'trace_time_ms', q.r->'trace_time_ms', 'tracer_mode_used', q.r->'tracer_mode_used',
         'detection_reason', q.r->'detection_reason', 'ip_locked_at', q.r->'ip_locked_at', 'wait_time_ms', q.r->'wait_time_ms',
         'total_time_ms', q.r->'total_time_ms') END AS line
  FROM (SELECT coalesce(m.was, to_jsonb(t)) AS r, o.offer_name, m.name IS NOT NULL AS handed_over
          FROM public.active_trace_requests t
          LEFT JOIN public.offers o ON o.id = t.offer_id
          LEFT JOIN public.moved_to_tracepool m ON m.kind = 'request' AND m.name = t.request_id::text
        OFFSET 0) AS q;   -- each row becomes an object once, not for each of its columns

CREATE TEMP VIEW moving_ips AS
SELECT m.name AS address,
       jsonb_build_object(
         'ip_address', m.name, 'ip_port', coalesce(m.was->>'ip_port', '7000'), 'country', pg_temp.country(m.was->>'country'),
         'provider', coalesce(nullif(m.was->>'provider', ''), 'luna')) AS line,
       m.was
  FROM public.moved_to_tracepool m
 WHERE m.kind = 'ip';

CREATE TEMP VIEW moving_statistics AS
SELECT (s.r->>'recorded_at')::timestamptz AS recorded_at, s.r AS line
  FROM (SELECT to_jsonb(t) AS r FROM public.ip_pool_statistics t OFFSET 0) AS s
 WHERE s.r->>'recorded_at' IS NOT NULL;
