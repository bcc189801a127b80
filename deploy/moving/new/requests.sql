-- Takes requests, each once: one that is here, or in the archive already, is left alone. What was handed over waits for a
-- trace here. Days that are past the retention move on into the archive by themselves.
\ir views.sql
BEGIN;
\ir ../take.sql
WITH taken AS (
  INSERT INTO public.active_trace_requests
         (request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, status, ip_assigned, final_url, extracted_params,
          redirect_chain, error_message, retry_count, started_at, completed_at, timeout_at, trace_time_ms, tracer_mode_used,
          detection_reason, ip_locked_at, wait_time_ms, total_time_ms, click_path, outcome, max_retries, next_attempt_at)
  SELECT r.request_id, r.offer_id, r.offer_name, r.tracking_url, r.target_country, r.inbound_params, r.status, r.ip_assigned, r.final_url,
         nullif(r.extracted_params, 'null'), nullif(r.redirect_chain, 'null'), r.error_message, r.retry_count, r.started_at, r.completed_at,
         r.timeout_at, r.trace_time_ms, r.tracer_mode_used, r.detection_reason, r.ip_locked_at, r.wait_time_ms, r.total_time_ms, r.click_path,
         CASE r.status WHEN 'completed' THEN 'ok' WHEN 'timeout' THEN 'timeout' WHEN 'failed' THEN 'error' END,
         policy.max_retries, CASE WHEN r.status = 'pending' THEN clock_timestamp() END
    FROM incoming i
   CROSS JOIN jsonb_populate_record(NULL::public.active_trace_requests, i.line) AS r
   CROSS JOIN public.trace_policy policy
   WHERE NOT EXISTS (SELECT FROM public.trace_archive a WHERE a.request_id = r.request_id)
      ON CONFLICT (request_id) DO NOTHING
  RETURNING status)
SELECT format('requests: %s came, %s of them new (%s to be traced here)', (SELECT count(*) FROM incoming), count(*),
              count(*) FILTER (WHERE status = 'pending'))
  FROM taken;
COMMIT;
