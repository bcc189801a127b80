-- The same lines as old/views.sql's, from what tracepool has of them; and the table that takes what comes from there.
\ir ../session.sql

CREATE TEMP VIEW moving_offers AS
SELECT o.offer_name AS name,
       jsonb_build_object(
         'id', o.id, 'offer_name', o.offer_name, 'final_url', o.final_url, 'tracking_urls', o.tracking_urls, 'allowed_hosts', o.allowed_hosts,
         'target_country', o.target_country, 'referrer', o.referrer, 'is_active', o.is_active, 'tracer_mode', o.tracer_mode,
         'tracer_detection_result', o.tracer_detection_result, 'block_resources', o.block_resources, 'extract_only', o.extract_only,
         'expected_params', o.expected_params) AS line
  FROM public.offers o;

CREATE TEMP VIEW moving_requests AS
SELECT t.offer_name AS offer, t.request_id::text AS id, t.click_path, t.status,
       jsonb_build_object(
         'request_id', t.request_id, 'offer_id', t.offer_id, 'offer_name', t.offer_name, 'tracking_url', t.tracking_url,
         'target_country', t.target_country, 'inbound_params', t.inbound_params, 'started_at', t.started_at, 'click_path', t.click_path,
         'status', t.status, 'ip_assigned', t.ip_assigned, 'final_url', t.final_url, 'extracted_params', t.extracted_params,
         'redirect_chain', t.redirect_chain, 'error_message', t.error_message, 'retry_count', t.retry_count, 'completed_at', t.completed_at,
         'timeout_at', t.timeout_at, 'trace_time_ms', t.trace_time_ms, 'tracer_mode_used', t.tracer_mode_used,
         'detection_reason', t.detection_reason, 'ip_locked_at', t.ip_locked_at, 'wait_time_ms', t.wait_time_ms,
         'total_time_ms', t.total_time_ms) AS line,
       t.created_at, t.max_retries, t.skip_reason
  FROM public.traces t;

CREATE TEMP TABLE incoming (line jsonb NOT NULL);
