-- Two clocks. A trace whose lease is over goes back to pending after a pause while retries are left, then to timeout.
-- A request that nobody claimed for its offer's queue_ttl ends as timeout. Returns how many requests changed.
CREATE OR REPLACE FUNCTION cleanup_timed_out_requests() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  v_now     timestamptz := clock_timestamp();
  v_ttl_s   integer;
  v_oldest  timestamptz;   -- nothing that became claimable after it can have expired
  v_traces  integer;
  v_waiting integer;
BEGIN
  v_traces := end_leases(lock_expired_leases(v_now), 'lease_expired', 'no result before the lease''s end', 'released',
                         'timeout');

  SELECT policy.queue_ttl_s, v_now - least(policy.queue_ttl_s, min(o.queue_ttl_s)) * interval '1 s'
    INTO v_ttl_s, v_oldest
    FROM trace_policy policy
    LEFT JOIN offers o ON o.queue_ttl_s IS NOT NULL
   GROUP BY policy.queue_ttl_s;

  WITH expired AS MATERIALIZED (
    SELECT t.request_id
      FROM queue_countries() AS place (country)
     CROSS JOIN LATERAL (
           SELECT r.request_id, r.offer_id, r.next_attempt_at
             FROM active_trace_requests r
            WHERE r.target_country = place.country AND r.next_attempt_at < v_oldest) AS old
      JOIN active_trace_requests t ON t.request_id = old.request_id
      LEFT JOIN offers o ON o.id = old.offer_id
     WHERE t.next_attempt_at < v_now - coalesce(o.queue_ttl_s, v_ttl_s) * interval '1 s'
     LIMIT 5000
       FOR UPDATE OF t SKIP LOCKED
  )
  UPDATE active_trace_requests t
     SET status = 'timeout', next_attempt_at = NULL, completed_at = v_now, outcome = 'timeout',
         total_time_ms = ms_between(t.started_at, v_now), error_code = 'queue_expired',
         error_message = 'queue_expired: no worker and IP took it in time', revision = t.revision + 1
    FROM expired
   WHERE t.request_id = expired.request_id AND t.status = 'pending';
  GET DIAGNOSTICS v_waiting = ROW_COUNT;
  RETURN v_traces + v_waiting;
END $$;
COMMENT ON FUNCTION cleanup_timed_out_requests() IS
  'Ends or requeues traces past their lease, and requests that waited too long; returns how many.';
REVOKE ALL ON FUNCTION cleanup_timed_out_requests() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cleanup_timed_out_requests() TO tracepool_worker, tracepool_monitor, tracepool_admin;
