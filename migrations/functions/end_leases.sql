-- Ends leases that brought no result: of a dead worker, of a draining one, or past their end. The IPs rest without
-- blame; each request that still runs on its lease goes back to pending or, where a retry is counted and none is
-- left, to p_final. Returns how many requests that were.
--
-- p_outcome is what trace_attempts remembers; p_final NULL counts no retry and requeues at once. Errors are
-- names of common/err.h. A worker's death requeues at once, an expired lease after the usual pause.
-- The caller has locked the pool rows already (or passed over those that somebody else holds).
DROP FUNCTION IF EXISTS end_leases(uuid[], text, text, text, trace_status);
CREATE OR REPLACE FUNCTION end_leases(p_ips text[], p_error text, p_detail text, p_outcome text, p_final trace_status)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  v_now      timestamptz := clock_timestamp();
  v_policy   trace_policy;
  v_ended    integer;
  v_requeued integer;
BEGIN
  SELECT * INTO v_policy FROM trace_policy;

  WITH lease AS MATERIALIZED (
    SELECT p.ip_address, p.locked_by_request, p.locked_by
      FROM ip_rotation_pool p
     WHERE p.ip_address = ANY (p_ips) AND p.status = 'locked'
     ORDER BY p.ip_address
       FOR UPDATE
  ), freed AS (
    UPDATE ip_rotation_pool p
       SET status = CASE WHEN p.is_healthy THEN 'cooldown' ELSE 'failed' END::ip_status,
           locked_until = v_now + v_policy.cooldown_s * interval '1 s',
           free_at = v_now + v_policy.cooldown_s * interval '1 s',
           next_probe_at = probe_after(p, false, false, v_policy, v_now),
           locked_by_request = NULL, locked_by = NULL, locked_for_batch = NULL,
           last_used_at = v_now, total_uses = p.total_uses + 1,
           updated_at = v_now, revision = p.revision + 1
      FROM lease
     WHERE p.ip_address = lease.ip_address
  ), ended AS (
    UPDATE active_trace_requests t
       SET status = CASE WHEN p_final IS NULL OR t.retry_count < t.max_retries THEN 'pending' ELSE p_final END,
           next_attempt_at = CASE WHEN p_final IS NULL OR (p_error = 'worker_died' AND t.retry_count < t.max_retries)
                                    THEN v_now
                                  WHEN t.retry_count < t.max_retries
                                    THEN v_now + retry_pause(t.retry_count, v_policy.retry_backoff_s,
                                                             v_policy.retry_backoff_max_s) END,
           retry_count = t.retry_count + (p_final IS NOT NULL AND t.retry_count < t.max_retries)::integer,
           completed_at = CASE WHEN p_final IS NOT NULL AND t.retry_count >= t.max_retries THEN v_now END,
           total_time_ms = CASE WHEN p_final IS NOT NULL AND t.retry_count >= t.max_retries
             THEN ms_between(t.started_at, v_now) END,
           trace_time_ms = ms_between(t.ip_locked_at, v_now),
           outcome = CASE WHEN p_final = 'timeout' THEN 'timeout' ELSE 'error' END,
           error_code = p_error, error_message = concat_ws(': ', p_error, p_detail),
           revision = t.revision + 1
      FROM lease
     WHERE (SELECT count(*) FROM lease) >= 0   -- every pool row is locked before the first request
       AND t.request_id = lease.locked_by_request AND t.status = 'processing'
       AND coalesce(t.ip_assigned, lease.ip_address) = lease.ip_address
       AND t.claimed_by IS NOT DISTINCT FROM lease.locked_by
    RETURNING t.request_id, t.attempt, lease.ip_address, t.claimed_by, t.batch_id, t.ip_locked_at, t.status,
              t.trace_time_ms, t.wait_time_ms
  ), kept AS (
    INSERT INTO trace_attempts (request_id, attempt, ip_address, worker, batch_id, started_at, ended_at, outcome,
                                error, detail, blame, new_status, trace_ms, wait_ms)
    SELECT ended.request_id, ended.attempt, ended.ip_address, ended.claimed_by, ended.batch_id, ended.ip_locked_at,
           v_now, p_outcome, p_error, p_detail, 'us', ended.status, ended.trace_time_ms, ended.wait_time_ms
      FROM ended
        ON CONFLICT DO NOTHING   -- a lease taken by hand has no attempt number of its own
  )
  SELECT count(*), count(*) FILTER (WHERE ended.status = 'pending')
    INTO v_ended, v_requeued
    FROM ended;

  IF v_requeued > 0 THEN
    PERFORM pg_notify('tracepool_requests', '');
  END IF;
  RETURN v_ended;
END $$;
COMMENT ON FUNCTION end_leases(text[], text, text, text, trace_status) IS
  'Ends leases that brought no result; requests go back to the queue or, without retries left, to p_final.';
REVOKE ALL ON FUNCTION end_leases(text[], text, text, text, trace_status) FROM PUBLIC;
