-- For claim_traces(), whose worker's browser has enough to do: pairs of a free IP and a due request of other offers than
-- p_offers, the oldest first, both sides locked. So a flood of pages, which take seconds, does not hold up traces that take
-- milliseconds. A request without an offer counts as one of the offer of zeros.
--
-- The queue is read by offer, so what is passed over costs nothing however long it is; with cursors (those that the last
-- claim around offers returned: place, request_keys, ip_keys), from them on. One worker at a time: another would find the
-- same requests. What somebody else holds is passed over, so nothing here waits.
DROP FUNCTION IF EXISTS pairs_around(integer, text[], uuid[], timestamptz);
CREATE OR REPLACE FUNCTION pairs_around(
  p_slots integer, p_countries text[], p_request_cursors timestamptz[], p_ip_cursors timestamptz[], p_offers uuid[], p_now timestamptz,
  OUT ips tid[], OUT requests tid[], OUT ids uuid[], OUT places text[], OUT request_keys timestamptz[], OUT ip_keys timestamptz[])
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  c_none  CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  c_lag   CONSTANT interval := interval '2 s';   -- as in claim_traces()
  v_place record;
  v_free  record;
  v_due   record;
BEGIN
  ips := '{}';
  requests := '{}';
  ids := '{}';
  places := '{}';
  request_keys := '{}';
  ip_keys := '{}';
  IF NOT pg_try_advisory_xact_lock(hashtextextended('tracepool pairs_around', 0)) THEN
    RETURN;
  END IF;
  FOR v_place IN
    SELECT due.country, due.request_cursor, due.ip_cursor, array_agg(due.ctid) AS requests
      FROM (SELECT c.country, c.request_cursor, c.ip_cursor, due.ctid
              FROM unnest(coalesce(p_countries, pool_countries()), p_request_cursors, p_ip_cursors)
                   AS c (country, request_cursor, ip_cursor)
             CROSS JOIN LATERAL (
                   SELECT count(*) AS n
                     FROM (SELECT
                             FROM ip_rotation_pool p
                            WHERE p.country = c.country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= p_now
                              AND p.free_at >= coalesce(c.ip_cursor, '-infinity')
                              AND EXISTS (SELECT FROM proxy_providers v WHERE v.provider = p.provider)
                            LIMIT p_slots) AS usable
                   OFFSET 0) AS free   -- counted once
             CROSS JOIN LATERAL (
                   (SELECT r.ctid, r.priority, r.next_attempt_at
                      FROM active_trace_requests r
                     WHERE r.target_country = c.country AND coalesce(r.next_attempt_at, 'infinity') < 'infinity' AND r.priority > 0
                       AND coalesce(r.next_attempt_at, 'infinity') <= p_now AND coalesce(r.offer_id, c_none) <> ALL (p_offers)   -- few have a priority
                     ORDER BY r.priority DESC, coalesce(r.next_attempt_at, 'infinity')
                     LIMIT free.n)
                   UNION ALL
                   (SELECT t.ctid, 0, t.next_attempt_at
                      FROM (SELECT DISTINCT q.offer_id FROM queue_offers q
                             WHERE q.country = c.country AND q.offer_id <> ALL (p_offers)) AS offer
                     CROSS JOIN LATERAL (
                           SELECT r.ctid, r.next_attempt_at
                             FROM active_trace_requests r
                            WHERE r.target_country = c.country AND coalesce(r.next_attempt_at, 'infinity') < 'infinity' AND r.priority = 0
                              AND coalesce(r.next_attempt_at, 'infinity') <= p_now
                              AND coalesce(r.next_attempt_at, 'infinity') >= coalesce(c.request_cursor - c_lag, '-infinity')
                              -- written out, as in the index, which a variable would not match
                              AND coalesce(r.offer_id, '00000000-0000-0000-0000-000000000000') = offer.offer_id
                            ORDER BY coalesce(r.next_attempt_at, 'infinity')
                            LIMIT free.n) AS t
                     ORDER BY t.next_attempt_at
                     LIMIT free.n)) AS due
             ORDER BY due.priority DESC, due.next_attempt_at
             LIMIT p_slots) AS due
     GROUP BY due.country, due.request_cursor, due.ip_cursor
  LOOP
    SELECT coalesce(array_agg(t.ctid), '{}') AS places, array_agg(t.free_at) AS keys
      INTO v_free
      FROM (SELECT p.ctid, p.free_at
              FROM ip_rotation_pool p
             WHERE p.country = v_place.country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= p_now
               AND p.free_at >= coalesce(v_place.ip_cursor, '-infinity')
               AND EXISTS (SELECT FROM proxy_providers v WHERE v.provider = p.provider)
             ORDER BY p.free_at
             LIMIT cardinality(v_place.requests)
               FOR UPDATE OF p SKIP LOCKED) AS t;
    SELECT coalesce(array_agg(t.ctid), '{}') AS places, array_agg(t.request_id) AS ids,
           max(t.next_attempt_at) FILTER (WHERE t.priority = 0) AS key
      INTO v_due
      FROM (SELECT r.ctid, r.request_id, r.priority, r.next_attempt_at
              FROM active_trace_requests r
             WHERE r.ctid = ANY (v_place.requests) AND r.next_attempt_at <= p_now
             ORDER BY r.priority DESC, r.next_attempt_at
             LIMIT cardinality(v_free.places)
               FOR UPDATE SKIP LOCKED) AS t;
    IF v_due.places <> '{}' THEN
      ips := ips || v_free.places[1 : cardinality(v_due.places)];
      requests := requests || v_due.places;
      ids := ids || v_due.ids;
      places := places || v_place.country;
      request_keys := request_keys || coalesce(v_due.key, v_place.request_cursor);
      ip_keys := ip_keys || v_free.keys[cardinality(v_due.places)];
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION pairs_around(integer, text[], timestamptz[], timestamptz[], uuid[], timestamptz) FROM PUBLIC;
