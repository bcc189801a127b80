-- Clicks as the edge spooled them, a JSON array: id, offer_id, offer, url, country, params, raw_query, at (ms, the
-- edge's clock), status (pending or skipped), skip_reason, duplicate_of, path, options. One statement per call; a
-- click that is there already, or in the archive, is left alone, so the edge may send a batch again. p_now_ms is the
-- edge's clock now: what counts is how long ago the click was, so an edge whose clock is wrong does no harm.
-- A click that cannot be a row raises an error of class 22 or 23 and nothing of the batch is kept; the edge
-- then sends the halves. Returns how many were new.
CREATE OR REPLACE FUNCTION record_clicks(p_clicks jsonb, p_now_ms bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_hashjoin = off   -- a click or two at a time: no table of all offers for them
SET jit = off
AS $$
DECLARE
  c_half_day CONSTANT bigint := 12 * 3600 * 1000;   -- a click is looked for in the archive after half of retention_days
  v_now      timestamptz := clock_timestamp();
  v_count    integer;
  v_archived uuid[] := '{}';
  v_late_ms  bigint := p_now_ms - (p_clicks->0->>'at')::bigint;
BEGIN
  -- Sent again after days (kept segments, a disk that was found), a click may be in the archive by now. A batch is in
  -- the order of its clicks, so its first one says whether any is that old, and the archive is not touched otherwise.
  IF v_late_ms > c_half_day THEN   -- of today's clicks not even the policy is asked
    v_archived := ARRAY(SELECT a.request_id
                          FROM jsonb_to_recordset(p_clicks) AS c (id uuid)
                          JOIN trace_archive a ON a.request_id = c.id
                         WHERE v_late_ms > (SELECT policy.retention_days FROM trace_policy policy) * c_half_day);
  END IF;
  INSERT INTO active_trace_requests
         (request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, raw_query, options,
          click_path, status, skip_reason, duplicate_of, started_at, created_at, next_attempt_at, completed_at,
          max_retries, revision)
  SELECT c.id, c.offer_id, coalesce(c.offer, o.offer_name), c.url, coalesce(lower(nullif(c.country, '')), 'us'),
         coalesce(c.params, '{}'), c.raw_query, coalesce(c.options, '{}'), c.path,
         -- a click is born in one of two states; any other word fails as an unknown one
         CASE WHEN c.status IN ('pending', 'skipped') THEN c.status ELSE 'no click is ' || c.status END::trace_status,
         c.skip_reason, c.duplicate_of,
         v_now - greatest(0, p_now_ms - coalesce(c.at, p_now_ms)) * interval '1 ms', v_now,
         CASE WHEN c.status = 'pending' THEN v_now END,
         CASE WHEN c.status = 'skipped' THEN v_now END,
         coalesce(o.max_retries, policy.max_retries), 1   -- complete: not written by hand
    FROM jsonb_to_recordset(p_clicks)
         AS c (id uuid, offer_id uuid, offer text, url text, country text, params jsonb, raw_query text, at bigint,
               status text, skip_reason text, duplicate_of uuid, path text, options jsonb)
   CROSS JOIN trace_policy policy
    LEFT JOIN offers o ON o.id = c.offer_id
   WHERE NOT coalesce(c.id = ANY (v_archived), false)   -- one without an id fails, as it should
      ON CONFLICT (request_id) DO NOTHING;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION record_clicks(jsonb, bigint) IS 'Stores spooled clicks, each once however often it is sent; returns how many were new.';
REVOKE ALL ON FUNCTION record_clicks(jsonb, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_clicks(jsonb, bigint) TO tracepool_edge, tracepool_admin;
