-- Up to p_slots pairs of a due request and a free IP of its country, leased to p_worker for p_lease_ms.
--
-- One statement, in this order:
--   1. look, without a lock, at how many IPs each country has free and which requests are due there: a poll that
--      finds nothing writes nothing, and a country without IPs never holds up another
--   2. share the slots over the countries that have both, highest priority and oldest first
--   3. lock IPs, then as many requests; rows that somebody else holds are passed over, so a short claim is normal
--   4. pair them and write both sides
-- Pool rows are locked before request rows, here as everywhere: so nothing deadlocks.
--
-- p_countries NULL looks at every country from the start (cursors are ignored). Otherwise a scan begins at the
-- country's cursors, as returned by the worker's last claim there, less two seconds for rows whose commit came
-- late: dead versions left of it, which a forgotten open transaction piles up, are never read again. Requests
-- with a priority have no cursor. An unhealthy IP whose pause is over is taken as a probe, one per country.
-- With p_batch: at most what that batch may still take, over the whole farm.
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
  v_countries text[] := coalesce(p_countries, pool_countries());
  v_requests  timestamptz[] := CASE WHEN p_countries IS NOT NULL THEN p_request_cursors END;
  v_ips       timestamptz[] := CASE WHEN p_countries IS NOT NULL THEN p_ip_cursors END;
  v_providers text[] := ARRAY(SELECT v.provider FROM proxy_providers v);
BEGIN
  IF p_batch IS NOT NULL THEN
    v_slots := least(v_slots, batch_room(p_batch));   -- locks the batch's row, first of all
  END IF;
  IF v_slots <= 0 THEN
    RETURN;
  END IF;

  RETURN QUERY
  WITH place AS MATERIALIZED (
    SELECT c.country, c.request_cursor, c.ip_cursor,
           coalesce(c.request_cursor - c_lag, '-infinity') AS request_from,
           coalesce(c.ip_cursor - c_lag, '-infinity') AS ip_from
      FROM unnest(v_countries, v_requests, v_ips) AS c (country, request_cursor, ip_cursor)
  ), due AS MATERIALIZED (
    SELECT place.country, place.request_from, place.ip_from, r.priority, r.next_attempt_at
      FROM place
     CROSS JOIN LATERAL (
           SELECT count(*) AS n
             FROM ((SELECT p.id
                      FROM ip_rotation_pool p
                     WHERE p.country = place.country AND p.is_healthy AND p.status <> 'locked'
                       AND p.locked_until <= v_now AND p.locked_until >= place.ip_from
                       AND p.provider = ANY (v_providers)
                     ORDER BY p.locked_until
                     LIMIT v_slots)
                   UNION ALL
                   (SELECT p.id
                      FROM ip_rotation_pool p
                     WHERE p.country = place.country AND NOT p.is_healthy AND p.status <> 'locked'
                       AND p.next_probe_at <= v_now AND p.locked_until <= v_now
                       AND p.provider = ANY (v_providers)
                     ORDER BY p.next_probe_at
                     LIMIT 1)) AS usable) AS ips
     CROSS JOIN LATERAL (
           (SELECT t.priority, t.next_attempt_at
              FROM active_trace_requests t
             WHERE t.target_country = place.country AND t.next_attempt_at IS NOT NULL AND t.priority > 0
               AND t.next_attempt_at <= v_now
             ORDER BY t.priority DESC, t.next_attempt_at
             LIMIT ips.n)
           UNION ALL
           (SELECT t.priority, t.next_attempt_at
              FROM active_trace_requests t
             WHERE t.target_country = place.country AND t.next_attempt_at IS NOT NULL AND t.priority = 0
               AND t.next_attempt_at <= v_now AND t.next_attempt_at >= place.request_from
             ORDER BY t.next_attempt_at
             LIMIT ips.n)
           ORDER BY priority DESC, next_attempt_at
           LIMIT ips.n) AS r
  ), want AS MATERIALIZED (
    SELECT chosen.country, chosen.request_from, chosen.ip_from, count(*) AS n
      FROM (SELECT due.country, due.request_from, due.ip_from
              FROM due
             ORDER BY due.priority DESC, due.next_attempt_at
             LIMIT v_slots) AS chosen
     GROUP BY chosen.country, chosen.request_from, chosen.ip_from
  ), probe AS MATERIALIZED (
    SELECT want.country, want.request_from, p.id, p.locked_until
      FROM want
     CROSS JOIN LATERAL (
           SELECT i.id, i.locked_until
             FROM ip_rotation_pool i
            WHERE i.country = want.country AND NOT i.is_healthy AND i.status <> 'locked'
              AND i.next_probe_at <= v_now AND i.locked_until <= v_now
              AND i.provider = ANY (v_providers)
            ORDER BY i.next_probe_at
            LIMIT 1
              FOR UPDATE SKIP LOCKED) AS p
  ), free AS MATERIALIZED (
    SELECT want.country, want.request_from, p.id, p.locked_until
      FROM want
     CROSS JOIN LATERAL (
           SELECT i.id, i.locked_until
             FROM ip_rotation_pool i
            WHERE i.country = want.country AND i.is_healthy AND i.status <> 'locked'
              AND i.locked_until <= v_now AND i.locked_until >= want.ip_from
              AND i.provider = ANY (v_providers)
            ORDER BY i.locked_until
            LIMIT want.n - (SELECT count(*) FROM probe WHERE probe.country = want.country)
              FOR UPDATE SKIP LOCKED) AS p
  ), ips AS MATERIALIZED (   -- the probe last: it goes to the youngest request
    SELECT taken.country, taken.request_from, count(*) AS n,
           array_agg(taken.id ORDER BY taken.is_probe, taken.locked_until) AS ids,
           array_agg(CASE WHEN NOT taken.is_probe THEN taken.locked_until END
                     ORDER BY taken.is_probe, taken.locked_until) AS keys
      FROM (SELECT free.country, free.request_from, free.id, free.locked_until, false AS is_probe FROM free
            UNION ALL
            SELECT probe.country, probe.request_from, probe.id, probe.locked_until, true FROM probe) AS taken
     GROUP BY taken.country, taken.request_from
  ), first AS MATERIALIZED (
    SELECT ips.country, t.request_id, t.priority, t.next_attempt_at
      FROM ips
     CROSS JOIN LATERAL (
           SELECT r.request_id, r.priority, r.next_attempt_at
             FROM active_trace_requests r
            WHERE r.target_country = ips.country AND r.next_attempt_at IS NOT NULL AND r.priority > 0
              AND r.next_attempt_at <= v_now
            ORDER BY r.priority DESC, r.next_attempt_at
            LIMIT ips.n
              FOR UPDATE SKIP LOCKED) AS t
  ), rest AS MATERIALIZED (
    SELECT ips.country, t.request_id, 0 AS priority, t.next_attempt_at
      FROM ips
     CROSS JOIN LATERAL (
           SELECT r.request_id, r.next_attempt_at
             FROM active_trace_requests r
            WHERE r.target_country = ips.country AND r.next_attempt_at IS NOT NULL AND r.priority = 0
              AND r.next_attempt_at <= v_now AND r.next_attempt_at >= ips.request_from
            ORDER BY r.next_attempt_at
            LIMIT ips.n - (SELECT count(*) FROM first WHERE first.country = ips.country)
              FOR UPDATE SKIP LOCKED) AS t
  ), requests AS MATERIALIZED (
    SELECT taken.country,
           array_agg(taken.request_id ORDER BY taken.priority DESC, taken.next_attempt_at) AS ids,
           array_agg(CASE WHEN taken.priority = 0 THEN taken.next_attempt_at END
                     ORDER BY taken.priority DESC, taken.next_attempt_at) AS keys
      FROM (SELECT first.country, first.request_id, first.priority, first.next_attempt_at FROM first
            UNION ALL
            SELECT rest.country, rest.request_id, rest.priority, rest.next_attempt_at FROM rest) AS taken
     GROUP BY taken.country
  ), pairs AS MATERIALIZED (   -- two arrays side by side: a join on row numbers would be quadratic
    SELECT zip.request_id, p.id AS ip_id, p.ip_address, p.ip_port, p.provider, v.scheme,
           proxy_text(v.host_template, p.ip_address, p.ip_port, p.country) AS host,
           proxy_text(v.port_template, p.ip_address, p.ip_port, p.country) AS port,
           proxy_text(v.user_template, p.ip_address, p.ip_port, p.country) AS username,
           v.secret_name,
           max(zip.request_key) OVER here AS request_cursor, max(zip.ip_key) OVER here AS ip_cursor
      FROM ips
      JOIN requests ON requests.country = ips.country
     CROSS JOIN LATERAL unnest(ips.ids, ips.keys, requests.ids, requests.keys)
             AS zip (ip_id, ip_key, request_id, request_key)
      JOIN ip_rotation_pool p ON p.id = zip.ip_id
      JOIN proxy_providers v ON v.provider = p.provider
     WHERE zip.request_id IS NOT NULL
    WINDOW here AS (PARTITION BY ips.country)
  ), leased AS (
    UPDATE ip_rotation_pool p
       SET status = 'locked', locked_until = v_lease_end, locked_by_request = pairs.request_id, locked_by = p_worker,
           locked_for_batch = p_batch, updated_at = v_now, revision = p.revision + 1
      FROM pairs
     WHERE p.id = pairs.ip_id
  )
  UPDATE active_trace_requests t
     SET status = 'processing', attempt = t.attempt + 1, claimed_by = p_worker, batch_id = p_batch,
         ip_assigned = pairs.ip_address, ip_locked_at = v_now, timeout_at = v_lease_end, next_attempt_at = NULL,
         wait_time_ms = ms_between(t.started_at, v_now), revision = t.revision + 1
    FROM pairs
   WHERE t.request_id = pairs.request_id
  RETURNING t.request_id, t.attempt, t.retry_count, t.max_retries, t.offer_id, t.offer_name, t.tracking_url,
            t.target_country, t.inbound_params, offer_options(t.offer_id) || t.options, t.wait_time_ms,
            pairs.ip_address, pairs.ip_port, pairs.provider, pairs.scheme, pairs.host, pairs.port, pairs.username,
            pairs.secret_name,
            coalesce(pairs.request_cursor, (SELECT place.request_cursor FROM place WHERE place.country = t.target_country), '-infinity'),
            coalesce(pairs.ip_cursor, (SELECT place.ip_cursor FROM place WHERE place.country = t.target_country), '-infinity');
END $$;
COMMENT ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid) IS
  'Leases pairs of a due request and a free IP of its country to a worker.';
REVOKE ALL ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_traces(integer, text, integer, text[], timestamptz[], timestamptz[], uuid)
   TO tracepool_worker, tracepool_admin;
