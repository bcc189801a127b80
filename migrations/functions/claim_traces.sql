-- Up to p_slots pairs of a due request and a free IP of its country, leased to p_worker for p_lease_ms.
--
--   1. look, without a lock, at how many IPs each country has free and which requests are due there: a poll that
--      finds nothing writes nothing, and a country without IPs never holds up another
--   2. share the slots over the countries that have both, highest priority and oldest first
--   3. lock IPs there, then as many requests; rows that somebody else holds are passed over, so a short claim is
--      normal
--   4. write both sides of all pairs
-- Pool rows are locked before request rows, here as everywhere: so nothing deadlocks. It is one call and one
-- transaction, and each step one statement for all countries (the first three are two): what a small claim costs is
-- mostly the start of its plans.
--
-- p_countries NULL looks at every country from the start (cursors are ignored). Otherwise a scan begins at the
-- country's cursors, as returned by the worker's last claim there: dead versions left of it, which a forgotten
-- open transaction piles up, are never read again. For requests it is less two seconds, for rows whose commit came
-- late; an IP that is missed is missed until a claim comes back short, which is soon enough. Requests with a
-- priority have no cursor. An unhealthy IP whose pause is over is taken as a probe, one per country.
-- Where a country's queue is late (trace_policy.fair_after_s), fair_share() lets no offer wait behind another's flood.
-- With p_batch: at most what that batch may still take, over the whole farm.
--
-- Where a look at everything finds one request in the whole queue, claim_one() takes it: an idle farm's click is claimed
-- in a third of the time.
CREATE OR REPLACE FUNCTION claim_traces(
  p_slots integer, p_worker text, p_lease_ms integer, p_countries text[],
  p_request_cursors timestamptz[], p_ip_cursors timestamptz[], p_batch uuid DEFAULT NULL)
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
  v_countries text[] := p_countries;
  v_requests  timestamptz[] := p_request_cursors;
  v_ips       timestamptz[] := p_ip_cursors;
  v_providers text[];
  v_late      timestamptz;
  v_waiting   tid[];
  v_place     record;
  v_n         integer;
  -- by country that something is claimed for: what to look for there, and where its next claim goes on
  v_served          text[] := '{}';
  v_rooms           integer[] := '{}';   -- locked IPs
  v_firsts          integer[] := '{}';   -- requests with a priority
  v_is_late         boolean[] := '{}';
  v_request_from    timestamptz[] := '{}';
  v_request_cursors timestamptz[] := '{}';
  v_ip_cursors      timestamptz[] := '{}';
  -- the locked IPs, one country's behind another's
  v_ip_ids   tid[] := '{}';
  v_ip_keys  timestamptz[] := '{}';
  v_first_ip integer := 0;
  -- the pairs
  v_pair_ips      tid[] := '{}';
  v_pair_requests tid[] := '{}';
BEGIN
  IF p_batch IS NOT NULL THEN
    v_slots := least(v_slots, batch_room(p_batch));   -- locks the batch's row, first of all
  END IF;
  IF v_slots <= 0 THEN
    RETURN;
  END IF;
  IF v_countries IS NULL THEN
    v_waiting := ARRAY(SELECT t.ctid FROM active_trace_requests t WHERE t.next_attempt_at IS NOT NULL
                        ORDER BY t.target_country, t.next_attempt_at LIMIT 2);
    IF cardinality(v_waiting) = 1 THEN
      -- A click wakes a whole idle farm. Whoever is second leaves before locking an IP, so the others write nothing.
      IF NOT pg_try_advisory_xact_lock(hashtext('tracepool claim_one')) THEN
        RETURN;
      END IF;
      RETURN QUERY SELECT * FROM claim_one(v_waiting[1], p_worker, v_now, v_lease_end, p_batch);
      IF FOUND THEN
        RETURN;
      END IF;
    ELSIF cardinality(v_waiting) = 0 THEN
      RETURN;
    END IF;
    v_countries := pool_countries();
    v_requests := NULL;
    v_ips := NULL;
  END IF;
  SELECT v_now - policy.fair_after_s * interval '1 s', ARRAY(SELECT v.provider FROM proxy_providers v)
    INTO v_late, v_providers
    FROM trace_policy policy;

  FOR v_place IN
    SELECT place.country, place.request_from, place.request_cursor, place.ip_cursor, place.first, place.oldest,
           ip.ids || probe.ids AS ip_ids,   -- the probe is for the youngest request
           ip.keys || array_fill(ip.keys[cardinality(ip.keys)], ARRAY[cardinality(probe.ids)]) AS ip_keys
      FROM (SELECT chosen.country, chosen.request_from, chosen.ip_from, chosen.request_cursor, chosen.ip_cursor, chosen.probes,
                   count(*)::integer AS n, count(*) FILTER (WHERE chosen.priority > 0)::integer AS first,
                   min(chosen.next_attempt_at) FILTER (WHERE chosen.priority = 0) AS oldest
              FROM (SELECT c.country, c.request_cursor, c.ip_cursor, coalesce(c.ip_cursor, '-infinity') AS ip_from,
                           coalesce(c.request_cursor - c_lag, '-infinity') AS request_from,
                           ips.probes, r.priority, r.next_attempt_at
                      FROM unnest(v_countries, v_requests, v_ips) AS c (country, request_cursor, ip_cursor)
                     CROSS JOIN LATERAL (
                           SELECT (SELECT count(*)
                                     FROM (SELECT
                                             FROM ip_rotation_pool p
                                            WHERE p.country = c.country AND p.is_healthy AND p.status <> 'locked'
                                              AND p.free_at <= v_now AND p.free_at >= coalesce(c.ip_cursor, '-infinity')
                                              AND p.provider = ANY (v_providers)
                                            LIMIT v_slots) AS usable) AS free,
                                  (SELECT count(*)
                                     FROM (SELECT
                                             FROM ip_rotation_pool p
                                            WHERE p.country = c.country AND NOT p.is_healthy AND p.status <> 'locked'
                                              AND p.next_probe_at <= v_now AND p.locked_until <= v_now
                                              AND p.provider = ANY (v_providers)
                                            LIMIT 1) AS probe) AS probes
                           OFFSET 0) AS ips   -- counted once
                     CROSS JOIN LATERAL (
                           (SELECT t.priority, t.next_attempt_at
                              FROM active_trace_requests t
                             WHERE t.target_country = c.country AND t.next_attempt_at IS NOT NULL AND t.priority > 0
                               AND t.next_attempt_at <= v_now
                             ORDER BY t.priority DESC, t.next_attempt_at
                             LIMIT ips.free + ips.probes)
                           UNION ALL
                           (SELECT t.priority, t.next_attempt_at
                              FROM active_trace_requests t
                             WHERE t.target_country = c.country AND t.next_attempt_at IS NOT NULL AND t.priority = 0
                               AND t.next_attempt_at <= v_now
                               AND t.next_attempt_at >= coalesce(c.request_cursor - c_lag, '-infinity')
                             ORDER BY t.next_attempt_at
                             LIMIT ips.free + ips.probes)
                           ORDER BY priority DESC, next_attempt_at
                           LIMIT ips.free + ips.probes) AS r
                     ORDER BY r.priority DESC, r.next_attempt_at
                     LIMIT v_slots) AS chosen
             GROUP BY chosen.country, chosen.request_from, chosen.ip_from, chosen.request_cursor, chosen.ip_cursor, chosen.probes
             OFFSET 0) AS place
     CROSS JOIN LATERAL (
           SELECT ARRAY(SELECT p.ctid
                          FROM ip_rotation_pool p
                         WHERE p.country = place.country AND NOT p.is_healthy AND p.status <> 'locked'
                           AND p.next_probe_at <= v_now AND p.locked_until <= v_now AND p.provider = ANY (v_providers)
                         ORDER BY p.next_probe_at
                         LIMIT place.probes
                           FOR UPDATE SKIP LOCKED) AS ids
           OFFSET 0) AS probe   -- locked once
     CROSS JOIN LATERAL (
           SELECT array_agg(p.ctid) AS ids, array_agg(p.free_at) AS keys
             FROM (SELECT i.ctid, i.free_at
                     FROM ip_rotation_pool i
                    WHERE i.country = place.country AND i.is_healthy AND i.status <> 'locked'
                      AND i.free_at <= v_now AND i.free_at >= place.ip_from AND i.provider = ANY (v_providers)
                    ORDER BY i.free_at
                    LIMIT place.n - cardinality(probe.ids)
                      FOR UPDATE SKIP LOCKED) AS p) AS ip
  LOOP
    IF v_place.ip_ids <> '{}' THEN
      v_served := v_served || v_place.country;
      v_rooms := v_rooms || cardinality(v_place.ip_ids);
      v_firsts := v_firsts || v_place.first;
      v_is_late := v_is_late || coalesce(v_place.oldest < v_late, false);
      v_request_from := v_request_from || v_place.request_from;
      v_request_cursors := v_request_cursors || coalesce(v_place.request_cursor, '-infinity');
      v_ip_cursors := v_ip_cursors || coalesce(v_place.ip_cursor, '-infinity');
      v_ip_ids := v_ip_ids || v_place.ip_ids;
      v_ip_keys := v_ip_keys || v_place.ip_keys;
    END IF;
  END LOOP;
  IF v_served = '{}' THEN
    RETURN;
  END IF;

  FOR v_place IN
    SELECT c.no, c.room, first.ids || fair.ids || rest.ids AS ids, rest.key
      FROM unnest(v_served, v_rooms, v_firsts, v_is_late, v_request_from) WITH ORDINALITY
           AS c (country, room, first, is_late, request_from, no)
     CROSS JOIN LATERAL (
           SELECT ARRAY(SELECT r.ctid
                          FROM active_trace_requests r
                         WHERE r.target_country = c.country AND r.next_attempt_at IS NOT NULL AND r.priority > 0
                           AND r.next_attempt_at <= v_now
                         ORDER BY r.priority DESC, r.next_attempt_at
                         LIMIT CASE WHEN c.first > 0 THEN c.room ELSE 0 END
                           FOR UPDATE SKIP LOCKED) AS ids
           OFFSET 0) AS first   -- locked once
     CROSS JOIN LATERAL (
           SELECT CASE WHEN c.is_late AND c.room > cardinality(first.ids)
                            AND (SELECT count(DISTINCT q.offer_id) FROM queue_offers q WHERE q.country = c.country) > 1
                       THEN fair_share(c.country, c.room - cardinality(first.ids), c.request_from, v_now)
                       ELSE '{}' END AS ids
           OFFSET 0) AS fair
     CROSS JOIN LATERAL (
           SELECT array_agg(t.ctid) AS ids, max(t.next_attempt_at) AS key
             FROM (SELECT r.ctid, r.next_attempt_at
                     FROM active_trace_requests r
                    WHERE r.target_country = c.country AND r.next_attempt_at IS NOT NULL AND r.priority = 0
                      AND r.next_attempt_at <= v_now AND r.next_attempt_at >= c.request_from
                      AND r.ctid <> ALL (fair.ids)
                    ORDER BY r.next_attempt_at
                    LIMIT c.room - cardinality(first.ids) - cardinality(fair.ids)
                      FOR UPDATE SKIP LOCKED) AS t) AS rest
  LOOP
    v_n := cardinality(v_place.ids);
    IF v_n > 0 THEN
      v_pair_requests := v_pair_requests || v_place.ids;
      v_pair_ips := v_pair_ips || v_ip_ids[v_first_ip + 1 : v_first_ip + v_n];
      v_request_cursors[v_place.no] := coalesce(v_place.key, v_request_cursors[v_place.no]);
      v_ip_cursors[v_place.no] := coalesce(v_ip_keys[v_first_ip + v_n], v_ip_cursors[v_place.no]);
    END IF;
    v_first_ip := v_first_ip + v_place.room;
  END LOOP;
  IF cardinality(v_pair_requests) = 0 THEN
    RETURN;
  END IF;

  -- Locked rows stay where they are, so their places (ctid) will do; each side is read once more, and no index is.
  RETURN QUERY
  WITH leased AS (
    UPDATE ip_rotation_pool p
       SET status = 'locked', locked_until = v_lease_end, locked_by_request = t.request_id, locked_by = p_worker,
           locked_for_batch = p_batch, updated_at = v_now, revision = p.revision + 1
      FROM unnest(v_pair_ips, v_pair_requests) AS pair (ip, request)
      JOIN active_trace_requests t ON t.ctid = pair.request
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
            pair.secret_name, v_request_cursors[array_position(v_served, t.target_country)],
            v_ip_cursors[array_position(v_served, t.target_country)];
END $$;
COMMENT ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid) IS
  'Leases pairs of a due request and a free IP of its country to a worker.';
REVOKE ALL ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid)
   TO tracepool_worker, tracepool_admin;
