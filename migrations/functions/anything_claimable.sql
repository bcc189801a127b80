-- Is there a due request and a free IP for it, in any country? Looks without locking.
CREATE OR REPLACE FUNCTION anything_claimable(p_now timestamptz) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
  SELECT EXISTS (
    SELECT
      FROM queue_countries() AS place (country)
     WHERE EXISTS (SELECT FROM active_trace_requests t
                    WHERE t.target_country = place.country AND t.next_attempt_at <= p_now)
       AND EXISTS (SELECT FROM ip_rotation_pool p
                    WHERE p.country = place.country AND p.status <> 'locked' AND p.locked_until <= p_now
                      AND (p.is_healthy OR p.next_probe_at <= p_now)
                      AND p.provider IN (SELECT v.provider FROM proxy_providers v)))
$$;
REVOKE ALL ON FUNCTION anything_claimable(timestamptz) FROM PUBLIC;
