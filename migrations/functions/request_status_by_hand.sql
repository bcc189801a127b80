-- The rest of a request's row when a person changed its status from p_old's to p_new's; part of
-- request_written_by_hand(). An attempt that this ends is recorded, so that statistics see it.
CREATE OR REPLACE FUNCTION request_status_by_hand(p_old active_trace_requests, p_new active_trace_requests,
                                                  p_now timestamptz)
RETURNS active_trace_requests
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_final boolean := p_new.status IN ('completed', 'failed', 'timeout');
BEGIN
  IF p_new.status = 'pending' THEN
    IF p_new.retry_count = p_old.retry_count THEN
      p_new.retry_count := 0;
    END IF;
    p_new.ip_assigned := NULL;
    p_new.claimed_by := NULL;
    p_new.completed_at := NULL;
    p_new.total_time_ms := NULL;
    p_new.timeout_at := NULL;
    PERFORM pg_notify('tracepool_requests', '');
  ELSIF p_new.status = 'processing' THEN
    p_new.attempt := p_old.attempt + 1;
    p_new.claimed_by := NULL;
    p_new.completed_at := NULL;
    p_new.total_time_ms := NULL;
    p_new.ip_locked_at := p_now;
    p_new.wait_time_ms := ms_between(p_new.started_at, p_now);
    IF p_new.timeout_at IS NOT DISTINCT FROM p_old.timeout_at THEN
      p_new.timeout_at := p_now + interval '90 s';
    END IF;
  ELSIF v_final AND p_old.status = 'pending' THEN
    p_new.attempt := p_old.attempt + 1;   -- the person's own attempt
  END IF;

  IF v_final AND p_old.status = 'processing' AND p_new.trace_time_ms IS NOT DISTINCT FROM p_old.trace_time_ms THEN
    p_new.trace_time_ms := ms_between(p_new.ip_locked_at, p_now);
  END IF;
  IF p_old.status = 'processing' OR (v_final AND p_old.status = 'pending') THEN
    INSERT INTO trace_attempts (request_id, attempt, ip_address, worker, batch_id, started_at, ended_at, outcome,
                                detail, blame, new_status, mode_used, trace_ms, wait_ms)
    VALUES (p_new.request_id, p_new.attempt, coalesce(p_new.ip_assigned, p_old.ip_assigned), p_old.claimed_by,
            p_old.batch_id, p_new.ip_locked_at, p_now, 'by_hand', p_new.error_message, 'none', p_new.status,
            p_new.tracer_mode_used, p_new.trace_time_ms, p_new.wait_time_ms)
        ON CONFLICT DO NOTHING;
  END IF;
  RETURN p_new;
END $$;
REVOKE ALL ON FUNCTION request_status_by_hand(active_trace_requests, active_trace_requests, timestamptz) FROM PUBLIC;
