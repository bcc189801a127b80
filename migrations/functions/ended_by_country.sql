-- Attempts that ended from p_from on, counted by country: see ended_by_kind.
CREATE OR REPLACE FUNCTION ended_by_country(p_from timestamptz) RETURNS SETOF attempts_by_country
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_first timestamptz := date_bin('10 s', p_from, 'epoch') + interval '10 s';
  v_last  timestamptz;
BEGIN
  SELECT c.counted_to INTO v_last FROM attempts_counted c;
  IF v_last <= v_first THEN
    RETURN QUERY SELECT * FROM count_by_country(p_from, 'infinity');
    RETURN;
  END IF;
  RETURN QUERY SELECT * FROM count_by_country(p_from, v_first);
  RETURN QUERY SELECT * FROM attempts_by_country c WHERE c.at >= v_first AND c.at < v_last;
  RETURN QUERY SELECT * FROM count_by_country(v_last, 'infinity');
END $$;
COMMENT ON FUNCTION ended_by_country(timestamptz) IS 'Attempts that ended since then, counted by the country of their IP.';
REVOKE ALL ON FUNCTION ended_by_country(timestamptz) FROM PUBLIC;

-- The same read from the attempts themselves.
CREATE OR REPLACE FUNCTION count_by_country(p_from timestamptz, p_to timestamptz) RETURNS SETOF attempts_by_country
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT date_bin('10 s', e.ended_at, 'epoch'), e.country, e.untrusted, count(*)::integer,
         count(*) FILTER (WHERE e.new_status = 'completed')::integer,
         count(*) FILTER (WHERE e.new_status IN ('failed', 'timeout'))::integer,
         count(e.trace_ms) FILTER (WHERE e.new_status = 'completed')::integer,
         coalesce(sum(e.trace_ms) FILTER (WHERE e.new_status = 'completed'), 0),
         count(e.wait_ms)::integer, coalesce(sum(e.wait_ms), 0)
    FROM (SELECT a.ended_at, a.new_status, a.trace_ms, a.wait_ms, p.country,
                 CASE WHEN a.error = 'target_tls'   -- rare: a look by key each
                      THEN (SELECT coalesce(t.offer_name, '') FROM active_trace_requests t WHERE t.request_id = a.request_id) END AS untrusted
            FROM trace_attempts a
            LEFT JOIN ip_rotation_pool p ON p.ip_address = a.ip_address
           WHERE a.ended_at >= p_from AND a.ended_at < p_to) AS e
   GROUP BY 1, 2, 3
$$;
REVOKE ALL ON FUNCTION count_by_country(timestamptz, timestamptz) FROM PUBLIC;
