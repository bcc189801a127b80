-- Sends ended requests through the queue once more, with a fresh count of retries: those that ended as p_status since
-- p_since ago, of one offer or of all, the oldest first. Returns how many: call it again while that is p_limit.
CREATE OR REPLACE FUNCTION requeue_requests(p_status trace_status DEFAULT 'failed', p_since interval DEFAULT '1 day',
                                            p_offer text DEFAULT NULL, p_limit integer DEFAULT 1000)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_count integer;
BEGIN
  IF p_status NOT IN ('failed', 'timeout', 'completed', 'skipped') THEN
    RAISE EXCEPTION 'only requests that have ended can be requeued, not %', p_status USING ERRCODE = '22023';
  END IF;
  UPDATE active_trace_requests t
     SET status = 'pending'   -- as a person would write it: the trigger does the rest
   WHERE t.request_id = ANY (ARRAY(
           SELECT r.request_id
             FROM active_trace_requests r
            WHERE r.started_at > clock_timestamp() - p_since AND r.status = p_status
              AND (p_offer IS NULL OR r.offer_name = p_offer
                   OR r.offer_id = (SELECT o.id FROM offers o WHERE o.offer_name = p_offer))
            ORDER BY r.started_at
            LIMIT p_limit
              FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION requeue_requests(trace_status, interval, text, integer) IS
  'Sends ended requests through the queue again; returns how many.';
REVOKE ALL ON FUNCTION requeue_requests(trace_status, interval, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION requeue_requests(trace_status, interval, text, integer) TO tracepool_admin;
