-- For claim_traces(), in a country whose queue is late: up to half of p_n requests, taken in turns from the offers
-- that have some waiting, the oldest of each. So one offer's million clicks delay its own and no other's. Locks them, and returns where they are.
CREATE OR REPLACE FUNCTION fair_share(p_country text, p_n integer, p_from timestamptz, p_now timestamptz) RETURNS tid[]
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  c_most   CONSTANT integer := 32;   -- the claim compares each other request with these
  v_offers integer := (SELECT count(DISTINCT q.offer_id) FROM queue_offers q WHERE q.country = p_country);
  -- one request alone is shared out by lot
  v_share  integer := CASE WHEN p_n > 1 THEN least(p_n / 2, c_most) ELSE round(random()) END;
BEGIN
  IF v_offers < 2 OR v_share = 0 THEN
    RETURN '{}';
  END IF;
  RETURN ARRAY(
    SELECT r.ctid
      FROM (SELECT q.offer_id FROM queue_offers q WHERE q.country = p_country GROUP BY q.offer_id ORDER BY random()) AS offer
     CROSS JOIN LATERAL (
           SELECT t.ctid
             FROM active_trace_requests t
            WHERE t.target_country = p_country
              AND coalesce(t.offer_id, '00000000-0000-0000-0000-000000000000') = offer.offer_id
              AND coalesce(t.next_attempt_at, 'infinity') < 'infinity' AND t.priority = 0   -- so written for active_trace_requests_offer
              AND coalesce(t.next_attempt_at, 'infinity') <= p_now AND coalesce(t.next_attempt_at, 'infinity') >= p_from
            ORDER BY coalesce(t.next_attempt_at, 'infinity')
            LIMIT greatest(1, v_share / v_offers)
              FOR UPDATE SKIP LOCKED) AS r
     LIMIT v_share);
END $$;
REVOKE ALL ON FUNCTION fair_share(text, integer, timestamptz, timestamptz) FROM PUBLIC;
