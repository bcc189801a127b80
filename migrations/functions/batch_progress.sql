-- Where a batch stands. Its traces in flight are leases in the pool, those behind it are attempts that ended (one
-- that a draining worker returned does not count): so nothing has to be counted when a trace begins or ends.
CREATE OR REPLACE FUNCTION batch_progress(p_batch uuid)
RETURNS TABLE (claimed integer, in_flight integer, processed integer, succeeded integer)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT (flying.n + ended.n)::integer, flying.n::integer, ended.n::integer, ended.good::integer
    FROM (SELECT count(*) AS n
            FROM ip_rotation_pool p
           WHERE p.status = 'locked' AND p.locked_for_batch = p_batch) AS flying
   CROSS JOIN (SELECT count(*) AS n, count(*) FILTER (WHERE a.new_status = 'completed') AS good
                 FROM trace_attempts a
                WHERE a.batch_id = p_batch AND a.outcome <> 'returned') AS ended
$$;
REVOKE ALL ON FUNCTION batch_progress(uuid) FROM PUBLIC;
