-- Whether a view's later events have something to follow: an impression that was tracked, or no impression at all.
CREATE OR REPLACE FUNCTION impression_was_tracked(p_view uuid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT coalesce(bool_or(e.state = 'tracked'), true)
    FROM tracking_events e
   WHERE e.ad_view_id = p_view AND e.ord = 0 AND e.is_scheduled
$$;
REVOKE ALL ON FUNCTION impression_was_tracked(uuid) FROM PUBLIC;
