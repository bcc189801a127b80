-- For claim_traces(), whose worker's browser has enough to do: pairs of a free IP and a due request of other offers than
-- p_offers, the oldest first, both sides locked. So a flood of pages, which take seconds, does not hold up traces that take
-- milliseconds. A request without an offer counts as one of the offer of zeros.
--
-- The queue is read by offer, so what is passed over costs nothing however long it is. One worker at a time: another would
-- find the same requests. What somebody else holds is passed over, so nothing here waits.
CREATE OR REPLACE FUNCTION pairs_around(
  p_slots integer, p_countries text[], p_offers uuid[], p_now timestamptz, OUT ips tid[], OUT requests tid[], OUT ids uuid[])
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  c_none  CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  v_place record;
  v_ips   tid[];
  v_due   record;
BEGIN
  ips := '{}';
  requests := '{}';
  ids := '{}';
  IF NOT pg_try_advisory_xact_lock(hashtextextended('tracepool pairs_around', 0)) THEN
    RETURN;
  END IF;
  FOR v_place IN
    SELECT due.country, array_agg(due.ctid) AS requests
      FROM (SELECT c.country, due.ctid
              FROM unnest(coalesce(p_countries, pool_countries())) AS c (country)
             CROSS JOIN LATERAL (
                   SELECT count(*) AS n
                     FROM (SELECT
                             FROM ip_rotation_pool p
                            WHERE p.country = c.country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= p_now
                              AND EXISTS (SELECT FROM proxy_providers v WHERE v.provider = p.provider)
                            LIMIT p_slots) AS usable
                   OFFSET 0) AS free   -- counted once
             CROSS JOIN LATERAL (
                   (SELECT r.ctid, r.priority, r.next_attempt_at
                      FROM active_trace_requests r
                     WHERE r.target_country = c.country AND r.next_attempt_at IS NOT NULL AND r.priority > 0
                       AND r.next_attempt_at <= p_now AND coalesce(r.offer_id, c_none) <> ALL (p_offers)   -- few have a priority
                     ORDER BY r.priority DESC, r.next_attempt_at
                     LIMIT free.n)
                   UNION ALL
                   (SELECT t.ctid, 0, t.next_attempt_at
                      FROM (SELECT DISTINCT q.offer_id FROM queue_offers q
                             WHERE q.country = c.country AND q.offer_id <> ALL (p_offers)) AS offer
                     CROSS JOIN LATERAL (
                           SELECT r.ctid, r.next_attempt_at
                             FROM active_trace_requests r
                            WHERE r.target_country = c.country AND r.next_attempt_at IS NOT NULL AND r.priority = 0
                              AND r.next_attempt_at <= p_now
                              -- written out, as in the index, which a variable would not match
                              AND coalesce(r.offer_id, '00000000-0000-0000-0000-000000000000') = offer.offer_id
                            ORDER BY r.next_attempt_at
                            LIMIT free.n) AS t
                     ORDER BY t.next_attempt_at
                     LIMIT free.n)) AS due
             ORDER BY due.priority DESC, due.next_attempt_at
             LIMIT p_slots) AS due
     GROUP BY due.country
  LOOP
    v_ips := ARRAY(SELECT p.ctid
                     FROM ip_rotation_pool p
                    WHERE p.country = v_place.country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= p_now
                      AND EXISTS (SELECT FROM proxy_providers v WHERE v.provider = p.provider)
                    ORDER BY p.free_at
                    LIMIT cardinality(v_place.requests)
                      FOR UPDATE OF p SKIP LOCKED);
    SELECT coalesce(array_agg(t.ctid), '{}') AS places, array_agg(t.request_id) AS ids
      INTO v_due
      FROM (SELECT r.ctid, r.request_id
              FROM active_trace_requests r
             WHERE r.ctid = ANY (v_place.requests) AND r.next_attempt_at <= p_now
             ORDER BY r.priority DESC, r.next_attempt_at
             LIMIT cardinality(v_ips)
               FOR UPDATE SKIP LOCKED) AS t;
    ips := ips || v_ips[1 : cardinality(v_due.places)];
    requests := requests || v_due.places;
    ids := ids || v_due.ids;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION pairs_around(integer, text[], uuid[], timestamptz) FROM PUBLIC;
