-- Up to p_slots pairs of a due request and a free IP of its country, leased to p_worker for p_lease_ms.
--
--   1. look, without a lock, at how many IPs each country has free and which requests are due there: a poll that
--      finds nothing writes nothing, and a country without IPs never holds up another
--   2. share the slots over the countries that have both, highest priority and oldest first
--   3. lock IPs there, then as many requests; rows that somebody else holds are passed over, so a short claim is
--      normal
--   4. write both sides of all pairs
-- Pool rows are locked before request rows, here as everywhere: so nothing deadlocks. The first three steps are one
-- statement for all countries, the last is another: what a small claim costs is mostly the start of its plans, and what
-- a large one costs the rows that go from one part of a plan to the next, so those are as narrow as can be.
--
-- p_countries NULL looks at every country from the start (cursors are ignored). Otherwise a scan begins at the
-- country's cursors, as returned by the worker's last claim there: dead versions left of it, which a forgotten
-- open transaction piles up, are never read again. For requests it is less two seconds, for rows whose commit came
-- late; an IP that is missed is missed until a claim comes back short, which is soon enough. Requests with a
-- priority have no cursor. An unhealthy IP whose pause is over is taken as a probe, one per country.
-- Where a country's queue is late (trace_policy.fair_after_s), fair_share() lets no offer wait behind another's flood.
-- With p_around, the offers that a busy browser is to be spared: pairs_around() chooses, and cursors are those of such claims.
-- With p_batch: at most what that batch may still take, over the whole farm.
--
-- coalesce(next_attempt_at, 'infinity') says which index is meant: see migrations/0022_queue_by_offer.sql.
--
-- Where a look at everything finds one request in the whole queue, as an idle farm does after a click, the same is done
-- in statements for one row each, whose plans start faster: half of the time.
DROP FUNCTION IF EXISTS claim_one(tid, text, timestamptz, timestamptz, uuid);
DROP FUNCTION IF EXISTS claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid);
CREATE OR REPLACE FUNCTION claim_traces(
  p_slots integer, p_worker text, p_lease_ms integer, p_countries text[],
  p_request_cursors timestamptz[], p_ip_cursors timestamptz[], p_batch uuid DEFAULT NULL, p_around uuid[] DEFAULT NULL)
RETURNS TABLE (request_id uuid, attempt integer, retry_count integer, max_retries integer, offer_id uuid,
               offer_name text, tracking_url text, target_country text, inbound_params jsonb, options jsonb,
               wait_ms integer, ip_address text, ip_port text, provider text, proxy_scheme text, proxy_host text,
               proxy_port text, proxy_user text, proxy_secret text, request_cursor timestamptz, ip_cursor timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- The planner takes the small sets below for large ones and would hash the whole request table.
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  c_lag       CONSTANT interval := interval '2 s';
  v_now       timestamptz := clock_timestamp();
  v_lease_end timestamptz := v_now + p_lease_ms * interval '1 ms';
  v_slots     integer := p_slots;
  v_providers text[];
  v_late      timestamptz;
  v_has_first boolean;   -- anywhere: requests with a priority, IPs to probe
  v_has_probe boolean;
  v_waiting   tid[];
  v_ip        tid;
  v_place     record;
  v_around    record;
  -- by country: where to look, and where its next claim goes on
  v_countries       text[] := p_countries;
  v_request_cursors timestamptz[] := p_request_cursors;
  v_ip_cursors      timestamptz[] := p_ip_cursors;
  -- the pairs
  v_pair_ips      tid[] := '{}';
  v_pair_requests tid[] := '{}';
  v_pair_ids      uuid[] := '{}';
BEGIN
  IF p_batch IS NOT NULL THEN
    v_slots := least(v_slots, batch_room(p_batch));   -- locks the batch's row, first of all
  END IF;
  IF v_slots <= 0 THEN
    RETURN;
  END IF;
  IF p_around IS NOT NULL THEN
    v_around := pairs_around(v_slots, p_countries, p_request_cursors, p_ip_cursors, p_around, v_now);
    v_pair_ips := v_around.ips;
    v_pair_requests := v_around.requests;
    v_pair_ids := v_around.ids;
    v_countries := '{}';   -- nothing by age
  ELSIF v_countries IS NULL THEN
    SELECT array_agg(t.ctid), min(t.target_country), min(t.next_attempt_at)
      INTO v_waiting, target_country, request_cursor
      FROM (SELECT r.ctid, r.target_country, r.next_attempt_at
              FROM active_trace_requests r
             WHERE r.next_attempt_at IS NOT NULL
             ORDER BY r.target_country, r.next_attempt_at
             LIMIT 2) AS t;
    IF v_waiting IS NULL OR (cardinality(v_waiting) = 1 AND request_cursor > v_now) THEN
      RETURN;
    END IF;
    IF cardinality(v_waiting) = 1 THEN
      -- A click wakes a whole idle farm. Whoever is second at this one leaves before locking an IP, so the others write nothing.
      IF NOT pg_try_advisory_xact_lock(hashtextextended('tracepool claim_one ' || v_waiting[1], 0)) THEN
        RETURN;
      END IF;
      SELECT p.ctid, p.ip_address, p.ip_port, p.provider, p.free_at, v.scheme, v.secret_name,
             proxy_text(v.host_template, p.ip_address, p.ip_port, p.country),
             proxy_text(v.port_template, p.ip_address, p.ip_port, p.country),
             proxy_text(v.user_template, p.ip_address, p.ip_port, p.country)
        INTO v_ip, ip_address, ip_port, provider, ip_cursor, proxy_scheme, proxy_secret,
             proxy_host, proxy_port, proxy_user
        FROM ip_rotation_pool p
        JOIN proxy_providers v ON v.provider = p.provider
       WHERE p.country = claim_traces.target_country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= v_now
       ORDER BY p.free_at
       LIMIT 1
         FOR UPDATE OF p SKIP LOCKED;
      IF FOUND THEN
        UPDATE active_trace_requests t
           SET status = 'processing', attempt = t.attempt + 1, claimed_by = p_worker, batch_id = p_batch,
               ip_assigned = claim_traces.ip_address, ip_locked_at = v_now, timeout_at = v_lease_end,
               next_attempt_at = NULL, wait_time_ms = ms_between(t.started_at, v_now), revision = t.revision + 1
         WHERE t.ctid = (SELECT r.ctid
                           FROM active_trace_requests r
                          WHERE r.ctid = v_waiting[1] AND r.next_attempt_at <= v_now
                            FOR UPDATE SKIP LOCKED)
        RETURNING t.request_id, t.attempt, t.retry_count, t.max_retries, t.offer_id, t.offer_name, t.tracking_url,
                  t.inbound_params, t.options, t.wait_time_ms
             INTO request_id, attempt, retry_count, max_retries, offer_id, offer_name, tracking_url,
                  inbound_params, options, wait_ms;
      END IF;
      IF FOUND THEN
        UPDATE ip_rotation_pool p
           SET status = 'locked', locked_until = v_lease_end, locked_by_request = claim_traces.request_id,
               locked_by = p_worker, locked_for_batch = p_batch, updated_at = v_now, revision = p.revision + 1
         WHERE p.ctid = v_ip;
        IF offer_id IS NOT NULL THEN
          options := coalesce((SELECT worker_options(o) FROM offers o WHERE o.id = claim_traces.offer_id), '{}') || options;
        END IF;
        RETURN NEXT;
        RETURN;
      END IF;
      -- Somebody else was faster, or no healthy IP is free (a probe may be): the usual way finds out.
    END IF;
    v_countries := pool_countries();
    v_request_cursors := NULL;
    v_ip_cursors := NULL;
  END IF;
  -- What is rare is looked for once here, and its parts of the statement below then stay still.
  SELECT v_now - policy.fair_after_s * interval '1 s', ARRAY(SELECT v.provider FROM proxy_providers v),
         EXISTS (SELECT FROM active_trace_requests t WHERE coalesce(t.next_attempt_at, 'infinity') < 'infinity' AND t.priority > 0),
         EXISTS (SELECT FROM ip_rotation_pool p WHERE NOT p.is_healthy AND p.next_probe_at <= v_now)
    INTO v_late, v_providers, v_has_first, v_has_probe
    FROM trace_policy policy;

  FOR v_place IN
    SELECT place.no::integer AS no, place.ip_ids, place.ip_keys,
           first.ids || fair.ids || rest.ids AS ids, rest.request_ids, rest.key
      FROM (SELECT room.no, room.first, room.oldest,
                   ip.ids || probe.ids AS ip_ids,   -- the probe is for the youngest request
                   ip.keys || array_fill(ip.keys[cardinality(ip.keys)], ARRAY[cardinality(probe.ids)]) AS ip_keys
              FROM (SELECT chosen.no, chosen.probes, least(count(*), chosen.free + chosen.probes) AS n,
                           count(*) FILTER (WHERE chosen.priority > 0) AS first,
                           min(chosen.next_attempt_at) FILTER (WHERE chosen.priority = 0) AS oldest
                      FROM (SELECT c.no, ips.free, ips.probes, r.priority, r.next_attempt_at
                              FROM unnest(v_countries, v_request_cursors, v_ip_cursors)
                                   WITH ORDINALITY AS c (country, request_cursor, ip_cursor, no)
                             CROSS JOIN LATERAL (
                                   SELECT (SELECT count(*)
                                             FROM (SELECT
                                                     FROM ip_rotation_pool p
                                                    WHERE p.country = c.country AND p.is_healthy AND p.status <> 'locked'
                                                      AND p.free_at <= v_now AND p.free_at >= coalesce(c.ip_cursor, '-infinity')
                                                      AND p.provider = ANY (v_providers)
                                                    LIMIT v_slots) AS usable) AS free,
                                          CASE WHEN v_has_probe
                                               THEN (SELECT count(*)
                                                       FROM (SELECT
                                                               FROM ip_rotation_pool p
                                                              WHERE p.country = c.country AND NOT p.is_healthy
                                                                AND p.status <> 'locked' AND p.next_probe_at <= v_now
                                                                AND p.locked_until <= v_now AND p.provider = ANY (v_providers)
                                                              LIMIT 1) AS probe)
                                               ELSE 0 END AS probes
                                   OFFSET 0) AS ips   -- counted once
                             CROSS JOIN LATERAL (
                                   (SELECT t.priority, t.next_attempt_at
                                      FROM active_trace_requests t
                                     WHERE v_has_first AND t.target_country = c.country AND coalesce(t.next_attempt_at, 'infinity') < 'infinity'
                                       AND t.priority > 0 AND coalesce(t.next_attempt_at, 'infinity') <= v_now
                                     ORDER BY t.priority DESC, coalesce(t.next_attempt_at, 'infinity')
                                     LIMIT ips.free + ips.probes)
                                   UNION ALL
                                   (SELECT 0, t.next_attempt_at
                                      FROM active_trace_requests t
                                     WHERE t.target_country = c.country AND t.next_attempt_at IS NOT NULL AND t.priority = 0
                                       AND t.next_attempt_at <= v_now
                                       AND t.next_attempt_at >= coalesce(c.request_cursor - c_lag, '-infinity')
                                     ORDER BY t.next_attempt_at
                                     LIMIT ips.free + ips.probes)) AS r
                             ORDER BY r.priority DESC, r.next_attempt_at
                             LIMIT v_slots) AS chosen
                     GROUP BY chosen.no, chosen.free, chosen.probes
                    OFFSET 0) AS room
             CROSS JOIN LATERAL (
                   SELECT ARRAY(SELECT p.ctid
                                  FROM ip_rotation_pool p
                                 WHERE p.country = v_countries[room.no] AND NOT p.is_healthy AND p.status <> 'locked'
                                   AND p.next_probe_at <= v_now AND p.locked_until <= v_now AND p.provider = ANY (v_providers)
                                 ORDER BY p.next_probe_at
                                 LIMIT room.probes
                                   FOR UPDATE SKIP LOCKED) AS ids
                   OFFSET 0) AS probe   -- locked once
             CROSS JOIN LATERAL (
                   SELECT array_agg(p.ctid) AS ids, array_agg(p.free_at) AS keys
                     FROM (SELECT i.ctid, i.free_at
                             FROM ip_rotation_pool i
                            WHERE i.country = v_countries[room.no] AND i.is_healthy AND i.status <> 'locked'
                              AND i.free_at <= v_now AND i.free_at >= coalesce(v_ip_cursors[room.no], '-infinity')
                              AND i.provider = ANY (v_providers)
                            ORDER BY i.free_at
                            LIMIT room.n - cardinality(probe.ids)
                              FOR UPDATE SKIP LOCKED) AS p) AS ip
             ORDER BY room.no) AS place   -- sorted, so all IPs are locked before the first request
     CROSS JOIN LATERAL (
           SELECT ARRAY(SELECT r.ctid
                          FROM active_trace_requests r
                         WHERE r.target_country = v_countries[place.no] AND coalesce(r.next_attempt_at, 'infinity') < 'infinity' AND r.priority > 0
                           AND coalesce(r.next_attempt_at, 'infinity') <= v_now
                         ORDER BY r.priority DESC, coalesce(r.next_attempt_at, 'infinity')
                         LIMIT CASE WHEN place.first > 0 THEN cardinality(place.ip_ids) ELSE 0 END
                           FOR UPDATE SKIP LOCKED) AS ids
           OFFSET 0) AS first   -- locked once
     CROSS JOIN LATERAL (
           SELECT CASE WHEN place.oldest < v_late AND cardinality(place.ip_ids) > cardinality(first.ids)
                            AND (SELECT count(DISTINCT q.offer_id) FROM queue_offers q WHERE q.country = v_countries[place.no]) > 1
                       THEN fair_share(v_countries[place.no], cardinality(place.ip_ids) - cardinality(first.ids),
                                       coalesce(v_request_cursors[place.no] - c_lag, '-infinity'), v_now)
                       ELSE '{}' END AS ids
           OFFSET 0) AS fair
     CROSS JOIN LATERAL (
           SELECT array_agg(t.ctid) AS ids, array_agg(t.request_id) AS request_ids, max(t.next_attempt_at) AS key
             FROM (SELECT r.ctid, r.request_id, r.next_attempt_at
                     FROM active_trace_requests r
                    WHERE r.target_country = v_countries[place.no] AND r.next_attempt_at IS NOT NULL AND r.priority = 0
                      AND r.next_attempt_at <= v_now
                      AND r.next_attempt_at >= coalesce(v_request_cursors[place.no] - c_lag, '-infinity')
                      AND r.ctid <> ALL (fair.ids)
                    ORDER BY r.next_attempt_at
                    LIMIT cardinality(place.ip_ids) - cardinality(first.ids) - cardinality(fair.ids)
                      FOR UPDATE SKIP LOCKED) AS t) AS rest
  LOOP
    IF v_place.ids <> '{}' THEN
      v_pair_requests := v_pair_requests || v_place.ids;
      v_pair_ids := v_pair_ids || v_place.request_ids;
      v_pair_ips := v_pair_ips || v_place.ip_ids[1 : cardinality(v_place.ids)];
      v_request_cursors[v_place.no] := coalesce(v_place.key, v_request_cursors[v_place.no]);
      v_ip_cursors[v_place.no] := coalesce(v_place.ip_keys[cardinality(v_place.ids)], v_ip_cursors[v_place.no]);
    END IF;
  END LOOP;
  IF v_pair_requests = '{}' THEN
    RETURN;
  END IF;
  IF p_around IS NOT NULL THEN
    v_countries := v_around.places;
    v_request_cursors := v_around.request_keys;
    v_ip_cursors := v_around.ip_keys;
  END IF;

  IF cardinality(v_pair_ids) < cardinality(v_pair_requests) THEN   -- some were not taken by age
    v_pair_ids := ARRAY(SELECT (SELECT t.request_id FROM active_trace_requests t WHERE t.ctid = pair.request)
                          FROM unnest(v_pair_requests) WITH ORDINALITY AS pair (request, no)
                         ORDER BY pair.no);
  END IF;

  -- Locked rows stay where they are, so their places (ctid) will do; each side is read once more, and no index is.
  RETURN QUERY
  WITH leased AS (
    UPDATE ip_rotation_pool p
       SET status = 'locked', locked_until = v_lease_end, locked_by_request = pair.request_id, locked_by = p_worker,
           locked_for_batch = p_batch, updated_at = v_now, revision = p.revision + 1
      FROM unnest(v_pair_ips, v_pair_requests, v_pair_ids) AS pair (ip, request, request_id)
     WHERE p.ctid = pair.ip
    RETURNING p.ip_address, p.ip_port, p.country, p.provider, pair.request
  ), proxy AS (
    SELECT l.request, l.ip_address, l.ip_port, l.provider, v.scheme, v.secret_name,
           proxy_text(v.host_template, l.ip_address, l.ip_port, l.country) AS host,
           proxy_text(v.port_template, l.ip_address, l.ip_port, l.country) AS port,
           proxy_text(v.user_template, l.ip_address, l.ip_port, l.country) AS username
      FROM leased l
      JOIN proxy_providers v ON v.provider = l.provider
  )
  UPDATE active_trace_requests t
     SET status = 'processing', attempt = t.attempt + 1, claimed_by = p_worker, batch_id = p_batch,
         ip_assigned = pair.ip_address, ip_locked_at = v_now, timeout_at = v_lease_end, next_attempt_at = NULL,
         wait_time_ms = ms_between(t.started_at, v_now), revision = t.revision + 1
    FROM proxy AS pair
   WHERE t.ctid = pair.request
  RETURNING t.request_id, t.attempt, t.retry_count, t.max_retries, t.offer_id, t.offer_name, t.tracking_url,
            t.target_country, t.inbound_params,
            coalesce((SELECT worker_options(o) FROM offers o WHERE o.id = t.offer_id), '{}') || t.options, t.wait_time_ms,
            pair.ip_address, pair.ip_port, pair.provider, pair.scheme, pair.host, pair.port, pair.username,
            pair.secret_name, coalesce(v_request_cursors[array_position(v_countries, t.target_country)], '-infinity'),
            coalesce(v_ip_cursors[array_position(v_countries, t.target_country)], '-infinity');
END $$;
COMMENT ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid, uuid[]) IS
  'Leases pairs of a due request and a free IP of its country to a worker.';
REVOKE ALL ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid, uuid[])
   TO tracepool_worker, tracepool_admin;
