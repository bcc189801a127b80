-- Countries that have a due request and no healthy IP free, up to eight, of p_countries (NULL: of all). Reads a few
-- index entries a country, writes nothing: a worker asks it when a claim came back short, to say what limits the farm.
CREATE OR REPLACE FUNCTION scarce_countries(p_countries text[] DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  c_most    CONSTANT integer := 8;
  v_now     timestamptz := clock_timestamp();
  v_country text := '';
  v_found   text[] := '{}';
BEGIN
  LOOP
    SELECT t.target_country
      INTO v_country
      FROM active_trace_requests t
     WHERE t.next_attempt_at IS NOT NULL AND t.target_country > v_country
     ORDER BY t.target_country
     LIMIT 1;
    EXIT WHEN NOT FOUND OR cardinality(v_found) = c_most;
    IF (p_countries IS NULL OR v_country = ANY (p_countries))
       AND EXISTS (SELECT
                     FROM active_trace_requests t
                    WHERE t.target_country = v_country AND t.next_attempt_at <= v_now)
       AND NOT EXISTS (SELECT
                         FROM ip_rotation_pool p
                        WHERE p.country = v_country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= v_now
                          AND p.provider IN (SELECT v.provider FROM proxy_providers v)) THEN
      v_found := v_found || v_country;
    END IF;
  END LOOP;
  RETURN v_found;
END $$;
COMMENT ON FUNCTION scarce_countries(text[]) IS 'Countries that have a due request and no healthy IP free; writes nothing.';
REVOKE ALL ON FUNCTION scarce_countries(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scarce_countries(text[]) TO tracepool_worker, tracepool_monitor, tracepool_admin;
