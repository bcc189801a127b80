-- Short words for what the pgTAP files set up. Each file reads this inside its own transaction, which it rolls back.
-- Time is not waited for: a test moves a row's clock and raises revision, as a function would, so that the triggers
-- do not take it for a person.
\set ON_ERROR_STOP 1
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

-- Beside pgTAP, so that the tests find nothing but the product in public.
SET LOCAL search_path = tap, public;

CREATE FUNCTION add_ips(p_country text, p_count integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO ip_rotation_pool (ip_address, country, provider, locked_until)
  SELECT p_country || '-' || i, p_country, 'other', now() - interval '1 hour' + i * interval '1 s'
    FROM generate_series(1, p_count) AS i
$$;

CREATE FUNCTION add_request(p_country text DEFAULT 'us', p_age interval DEFAULT '0', p_priority integer DEFAULT 0)
RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO active_trace_requests (tracking_url, target_country, started_at, next_attempt_at, priority)
  SELECT 'https://t.example/', p_country, click.at, click.at, p_priority
    FROM (SELECT clock_timestamp() - p_age) AS click (at)
  RETURNING request_id
$$;

CREATE FUNCTION offer(p_name text) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM offers WHERE offer_name = p_name $$;
CREATE FUNCTION add_clicks(p_offer text, p_count integer, p_age interval, p_country text DEFAULT 'us', p_priority integer DEFAULT 0)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO active_trace_requests (tracking_url, offer_id, target_country, started_at, next_attempt_at, priority)
  SELECT 'https://t.example/', offer(p_offer), p_country, clock_timestamp() - p_age,
         clock_timestamp() - p_age + i * interval '1 us', p_priority
    FROM generate_series(1, p_count) AS i
$$;

CREATE FUNCTION claim(p_slots integer DEFAULT 1, p_worker text DEFAULT 'w1', p_batch uuid DEFAULT NULL)
RETURNS SETOF record LANGUAGE sql AS $$
  SELECT c.request_id, c.ip_address FROM claim_traces(p_slots, p_worker, 120000, NULL, NULL, NULL, p_batch) AS c
$$;

CREATE FUNCTION claimed(p_slots integer DEFAULT 1, p_worker text DEFAULT 'w1', p_batch uuid DEFAULT NULL)
RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM claim_traces(p_slots, p_worker, 120000, NULL, NULL, NULL, p_batch)
$$;

-- One result for a request as its row says who holds it; '+retry' after the outcome marks it worth another attempt.
-- Returns the new status, or refused.
CREATE FUNCTION finish(p_request uuid, p_outcome text, p_blame text DEFAULT 'none', p_response_ms integer DEFAULT 100,
                       p_more jsonb DEFAULT '{}')
RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN f.accepted THEN f.new_status ELSE 'refused' END
    FROM active_trace_requests t
   CROSS JOIN LATERAL finish_traces(coalesce(t.claimed_by, 'w1'), jsonb_build_array(jsonb_build_object(
           'request_id', t.request_id, 'attempt', t.attempt, 'ip', t.ip_assigned,
           'outcome', split_part(p_outcome, '+', 1), 'retry', p_outcome LIKE '%+retry', 'blame', p_blame,
           'error', CASE p_blame WHEN 'none' THEN NULL WHEN 'proxy' THEN 'proxy_refused' ELSE 'target_refused' END,
           'trace_ms', 1000, 'response_ms', p_response_ms) || p_more)) AS f
   WHERE t.request_id = p_request
$$;

CREATE FUNCTION ip(p_address text) RETURNS ip_rotation_pool LANGUAGE sql AS $$
  SELECT p FROM ip_rotation_pool p WHERE p.ip_address = p_address
$$;
CREATE FUNCTION request(p_id uuid) RETURNS active_trace_requests LANGUAGE sql AS $$
  SELECT t FROM active_trace_requests t WHERE t.request_id = p_id
$$;

CREATE FUNCTION end_cooldowns() RETURNS void LANGUAGE sql AS $$
  UPDATE ip_rotation_pool SET locked_until = clock_timestamp() - interval '1 s', revision = revision + 1
   WHERE status <> 'locked'
$$;
CREATE FUNCTION end_lease_times() RETURNS void LANGUAGE sql AS $$
  UPDATE ip_rotation_pool SET locked_until = clock_timestamp() - interval '1 s', revision = revision + 1
   WHERE status = 'locked'
$$;
CREATE FUNCTION end_backoffs() RETURNS void LANGUAGE sql AS $$
  UPDATE active_trace_requests SET next_attempt_at = clock_timestamp() - interval '1 s', revision = revision + 1
   WHERE next_attempt_at > clock_timestamp()
$$;
CREATE FUNCTION end_probe_pauses() RETURNS void LANGUAGE sql AS $$
  UPDATE ip_rotation_pool SET next_probe_at = clock_timestamp() - interval '1 s', revision = revision + 1
   WHERE next_probe_at < 'infinity'
$$;

-- Seconds from now, rounded; what the database's clock moved during the test does not matter.
CREATE FUNCTION in_seconds(p_when timestamptz) RETURNS integer LANGUAGE sql AS $$
  SELECT round(extract(epoch FROM p_when - clock_timestamp()))::integer
$$;
-- WAL that a query writes each time. The first to look at a page, one of the catalogue too, may tidy it, whoever that is.
CREATE FUNCTION wal_bytes(p_query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_plan  json;
  v_least bigint;
BEGIN
  FOR i IN 1..3 LOOP
    EXECUTE 'EXPLAIN (ANALYZE, WAL, FORMAT JSON) ' || p_query INTO v_plan;
    v_least := least(v_least, (v_plan #>> '{0,Plan,WAL Bytes}')::bigint);
  END LOOP;
  RETURN v_least;
END $$;
