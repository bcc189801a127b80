-- Moves up to p_limit finished requests that are older than trace_policy.retention_days, with their attempts, into
-- the archive; makes the daily partitions that they need. Returns how many: call it again while that is p_limit.
CREATE OR REPLACE FUNCTION archive_traces(p_limit integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_before timestamptz;
  v_ids    uuid[];
  v_day    date;
  v_count  integer;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('tracepool archive')) THEN
    RETURN 0;   -- somebody is at it
  END IF;
  SELECT v_now - policy.retention_days * interval '1 day' INTO v_before FROM trace_policy policy;
  v_ids := ARRAY(SELECT t.request_id
                   FROM active_trace_requests t
                  WHERE t.started_at < v_before AND t.status NOT IN ('pending', 'processing')
                    AND coalesce(t.completed_at, t.started_at) < v_before
                  ORDER BY t.started_at
                  LIMIT p_limit
                    FOR UPDATE SKIP LOCKED);

  FOR v_day IN
    SELECT DISTINCT (t.started_at AT TIME ZONE 'UTC')::date FROM active_trace_requests t WHERE t.request_id = ANY (v_ids)
  LOOP
    PERFORM add_archive_day(v_day);
  END LOOP;

  WITH moved AS (
    DELETE FROM active_trace_requests t WHERE t.request_id = ANY (v_ids) RETURNING t.*
  ), attempts AS (
    DELETE FROM trace_attempts a WHERE a.request_id = ANY (v_ids) RETURNING a.*
  )
  INSERT INTO trace_archive
         (request_id, offer_id, tracking_url, target_country, inbound_params, status, ip_assigned, final_url,
          extracted_params, redirect_chain, error_message, retry_count, started_at, completed_at, timeout_at,
          trace_time_ms, tracer_mode_used, detection_reason, ip_locked_at, wait_time_ms, total_time_ms, max_retries,
          created_at, next_attempt_at, priority, attempt, claimed_by, batch_id, outcome, error_code, bandwidth_kb,
          offer_name, options, raw_query, click_path, skip_reason, duplicate_of, revision, attempts, archived_at)
  SELECT m.request_id, m.offer_id, m.tracking_url, m.target_country, m.inbound_params, m.status, m.ip_assigned,
         m.final_url, m.extracted_params, m.redirect_chain, m.error_message, m.retry_count, m.started_at,
         m.completed_at, m.timeout_at, m.trace_time_ms, m.tracer_mode_used, m.detection_reason, m.ip_locked_at,
         m.wait_time_ms, m.total_time_ms, m.max_retries, m.created_at, m.next_attempt_at, m.priority, m.attempt,
         m.claimed_by, m.batch_id, m.outcome, m.error_code, m.bandwidth_kb, m.offer_name, m.options, m.raw_query,
         m.click_path, m.skip_reason, m.duplicate_of, m.revision, a.attempts, v_now
    FROM moved m
    LEFT JOIN (SELECT attempts.request_id,
                      jsonb_agg(to_jsonb(attempts) - 'request_id' ORDER BY attempts.attempt) AS attempts
                 FROM attempts
                GROUP BY attempts.request_id) AS a ON a.request_id = m.request_id;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION archive_traces(integer) IS 'Moves finished requests past their retention into trace_archive; returns how many.';
REVOKE ALL ON FUNCTION archive_traces(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive_traces(integer) TO tracepool_monitor, tracepool_admin;
