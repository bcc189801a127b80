-- A person took a worker's IP away (released, unlocked or deleted it). The request that ran on it would have no
-- lease, and nothing would find it if its worker died: so it goes back to the queue at once, no retry counted.
-- Leases taken by hand (no worker) are their owner's business.
CREATE OR REPLACE FUNCTION requeue_without_lease(p_request_id uuid, p_ip_address text, p_worker text, p_detail text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  WITH requeued AS (
    UPDATE active_trace_requests t
       SET status = 'pending', next_attempt_at = v_now, error_code = 'lease_expired',
           error_message = concat_ws(': ', 'lease_expired', p_detail), revision = t.revision + 1
     WHERE t.request_id = p_request_id AND t.status = 'processing' AND t.ip_assigned = p_ip_address
       AND t.claimed_by = p_worker
    RETURNING t.request_id, t.attempt, t.batch_id, t.ip_locked_at, t.wait_time_ms
  )
  INSERT INTO trace_attempts (request_id, attempt, ip_address, worker, batch_id, started_at, ended_at, outcome, error,
                              detail, blame, new_status, trace_ms, wait_ms)
  SELECT requeued.request_id, requeued.attempt, p_ip_address, p_worker, requeued.batch_id, requeued.ip_locked_at, v_now,
         'by_hand', 'lease_expired', p_detail, 'us', 'pending', ms_between(requeued.ip_locked_at, v_now),
         requeued.wait_time_ms
    FROM requeued;
  IF FOUND THEN
    PERFORM pg_notify('tracepool_requests', '');
  END IF;
END $$;
REVOKE ALL ON FUNCTION requeue_without_lease(uuid, text, text, text) FROM PUBLIC;
