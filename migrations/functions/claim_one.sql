-- For claim_traces(), when p_request is all that waits: leases it with the IP of its country that has rested longest.
-- The same rules in statements for one row each, whose plans start faster. No row: it is not due, no healthy IP is free
-- (a probe may be), or somebody else was faster; claim_traces() then goes its usual way.
DROP FUNCTION IF EXISTS claim_one(tid, text, timestamptz, timestamptz, uuid);
CREATE FUNCTION claim_one(p_request tid, p_worker text, p_now timestamptz, p_lease_end timestamptz, p_batch uuid)
RETURNS TABLE (request_id uuid, attempt integer, retry_count integer, max_retries integer, offer_id uuid,
               offer_name text, tracking_url text, target_country text, inbound_params jsonb, options jsonb,
               wait_ms integer, ip_address text, ip_port text, provider text, proxy_scheme text, proxy_host text,
               proxy_port text, proxy_user text, proxy_secret text, request_cursor timestamptz, ip_cursor timestamptz)
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_due record;
  v_ip  record;
  v_t   active_trace_requests;
BEGIN
  SELECT t.target_country AS country, t.next_attempt_at AS due_at
    INTO v_due
    FROM active_trace_requests t
   WHERE t.ctid = p_request AND t.next_attempt_at <= p_now;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT p.ctid AS place, p.ip_address, p.ip_port, p.provider, p.free_at, v.scheme, v.secret_name,
         proxy_text(v.host_template, p.ip_address, p.ip_port, p.country) AS host,
         proxy_text(v.port_template, p.ip_address, p.ip_port, p.country) AS port,
         proxy_text(v.user_template, p.ip_address, p.ip_port, p.country) AS username
    INTO v_ip
    FROM ip_rotation_pool p
    JOIN proxy_providers v ON v.provider = p.provider
   WHERE p.country = v_due.country AND p.is_healthy AND p.status <> 'locked' AND p.free_at <= p_now
   ORDER BY p.free_at
   LIMIT 1
     FOR UPDATE OF p SKIP LOCKED;   -- the pool's row before the request's, as everywhere
  IF NOT FOUND THEN
    RETURN;
  END IF;

  UPDATE active_trace_requests t
     SET status = 'processing', attempt = t.attempt + 1, claimed_by = p_worker, batch_id = p_batch,
         ip_assigned = v_ip.ip_address, ip_locked_at = p_now, timeout_at = p_lease_end, next_attempt_at = NULL,
         wait_time_ms = ms_between(t.started_at, p_now), revision = t.revision + 1
   WHERE t.ctid = (SELECT r.ctid
                     FROM active_trace_requests r
                    WHERE r.ctid = p_request AND r.next_attempt_at <= p_now
                      FOR UPDATE SKIP LOCKED)
  RETURNING t.* INTO v_t;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE ip_rotation_pool p
     SET status = 'locked', locked_until = p_lease_end, locked_by_request = v_t.request_id, locked_by = p_worker,
         locked_for_batch = p_batch, updated_at = p_now, revision = p.revision + 1
   WHERE p.ctid = v_ip.place;

  IF v_t.offer_id IS NOT NULL THEN
    v_t.options := coalesce((SELECT worker_options(o) FROM offers o WHERE o.id = v_t.offer_id), '{}') || v_t.options;
  END IF;
  RETURN QUERY VALUES (v_t.request_id, v_t.attempt, v_t.retry_count, v_t.max_retries, v_t.offer_id, v_t.offer_name,
                       v_t.tracking_url, v_t.target_country, v_t.inbound_params, v_t.options, v_t.wait_time_ms,
                       v_ip.ip_address, v_ip.ip_port, v_ip.provider, v_ip.scheme, v_ip.host, v_ip.port, v_ip.username,
                       v_ip.secret_name, v_due.due_at, v_ip.free_at);
END $$;
REVOKE ALL ON FUNCTION claim_one(tid, text, timestamptz, timestamptz, uuid) FROM PUBLIC;
