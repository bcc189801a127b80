-- What a worker has to know before each claim: is the kill switch on, which hosts have an entry now, and in how many
-- milliseconds the next event is due (NULL: none; at most 0: now).
CREATE OR REPLACE FUNCTION tracking_gate() RETURNS TABLE (is_stopped boolean, hosts jsonb, due_ms bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT p.tracking_stopped,
         (SELECT coalesce(jsonb_agg(h.host), '[]')
            FROM tracking_allowed_hosts h
           WHERE h.expires_at IS NULL OR h.expires_at > clock_timestamp()),
         (SELECT greatest(-1, ceil(extract(epoch FROM e.due_at - clock_timestamp()) * 1000))::bigint
            FROM tracking_events e
           WHERE e.state IN ('pending', 'waiting') AND e.due_at < 'infinity'
           ORDER BY e.due_at
           LIMIT 1)
    FROM trace_policy p
$$;
COMMENT ON FUNCTION tracking_gate() IS 'Kill switch, allowed hosts, and when the next tracking request is due.';
REVOKE ALL ON FUNCTION tracking_gate() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tracking_gate() TO tracepool_worker, tracepool_admin;
