-- Attempts that ended from p_from on and before p_to, counted by how they ended: what the monitor's numbers of the last
-- minutes and the last hour are made of. What was counted already (count_attempts) is added up; attempts are read for what
-- came since, and where p_from or p_to lies within ten seconds.
CREATE OR REPLACE FUNCTION ended_by_kind(p_from timestamptz, p_to timestamptz DEFAULT 'infinity') RETURNS SETOF attempts_by_kind
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_first timestamptz := date_bin('10 s', p_from, 'epoch') + interval '10 s';
  v_last  timestamptz;
BEGIN
  SELECT least(c.counted_to, date_bin('10 s', p_to, 'epoch')) INTO v_last FROM attempts_counted c;
  IF v_last <= v_first THEN
    RETURN QUERY SELECT * FROM count_by_kind(p_from, p_to);
    RETURN;
  END IF;
  RETURN QUERY SELECT * FROM count_by_kind(p_from, v_first);
  RETURN QUERY SELECT * FROM attempts_by_kind k WHERE k.at >= v_first AND k.at < v_last;
  RETURN QUERY SELECT * FROM count_by_kind(v_last, p_to);
END $$;
COMMENT ON FUNCTION ended_by_kind(timestamptz, timestamptz) IS 'Attempts that ended in a stretch of time, counted by how they ended.';
REVOKE ALL ON FUNCTION ended_by_kind(timestamptz, timestamptz) FROM PUBLIC;

-- The same read from the attempts themselves.
CREATE OR REPLACE FUNCTION count_by_kind(p_from timestamptz, p_to timestamptz) RETURNS SETOF attempts_by_kind
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT date_bin('10 s', a.ended_at, 'epoch'), a.mode_used, a.outcome, a.new_status, a.reason IS NOT NULL,
         count(*)::integer, count(a.trace_ms)::integer, coalesce(sum(a.trace_ms), 0), count(a.wait_ms)::integer, coalesce(sum(a.wait_ms), 0)
    FROM trace_attempts a
   WHERE a.ended_at >= p_from AND a.ended_at < p_to
   GROUP BY 1, 2, 3, 4, 5
$$;
REVOKE ALL ON FUNCTION count_by_kind(timestamptz, timestamptz) FROM PUBLIC;
