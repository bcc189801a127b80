-- A text that is another one when the dashboard has something new to show: a click, an ended attempt, a snapshot, an
-- alert. Asked once a second while somebody looks, so it reads the ends of four indexes and little else.
CREATE OR REPLACE FUNCTION dashboard_version() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT md5(concat_ws(' ',
           (SELECT max(t.started_at) FROM active_trace_requests t),
           (SELECT max(a.ended_at) FROM trace_attempts a),
           (SELECT max(s.recorded_at) FROM ip_pool_statistics s),
           (SELECT max(l.updated_at) FROM alerts l),
           (SELECT count(*) FROM ip_rotation_pool i WHERE i.status = 'locked')))
$$;
COMMENT ON FUNCTION dashboard_version() IS 'Changes whenever the dashboard has something new to show.';
REVOKE ALL ON FUNCTION dashboard_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_version() TO tracepool_monitor, tracepool_admin, tracepool_readonly;
