-- By hand: an IP goes back to the pool and rests; p_success false blames the proxy. Needs no lease. A worker's
-- request that ran on it goes back to the queue, and that worker's late result is refused. Unknown IPs: false.
CREATE OR REPLACE FUNCTION release_ip(p_ip_address text, p_success boolean DEFAULT true,
                                      p_response_time_ms integer DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_policy trace_policy;
  v_before ip_rotation_pool;
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  SELECT * INTO v_before FROM ip_rotation_pool WHERE ip_address = p_ip_address FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;

  UPDATE ip_rotation_pool p
     SET status = CASE WHEN healthy_after(p, p_success, NOT p_success, v_policy) THEN 'cooldown'
                       ELSE 'failed' END::ip_status,
         is_healthy = healthy_after(p, p_success, NOT p_success, v_policy),
         next_probe_at = probe_after(p, p_success, NOT p_success, v_policy, v_now),
         consecutive_failures = failures_after(p, p_success, NOT p_success),
         locked_until = v_now + v_policy.cooldown_s * interval '1 s',
         free_at = v_now + v_policy.cooldown_s * interval '1 s',
         locked_by_request = NULL, locked_by = NULL, locked_for_batch = NULL,
         last_used_at = v_now, last_health_check = v_now, total_uses = p.total_uses + 1,
         success_count = p.success_count + p_success::integer,
         failure_count = p.failure_count + (NOT p_success)::integer,
         avg_response_time_ms = moving_average(p.avg_response_time_ms, p_response_time_ms),
         updated_at = v_now, revision = p.revision + 1
   WHERE p.ip_address = v_before.ip_address;
  PERFORM requeue_without_lease(v_before.locked_by_request, v_before.ip_address, v_before.locked_by, 'released by hand');
  RETURN true;
END $$;
COMMENT ON FUNCTION release_ip(text, boolean, integer) IS 'Gives an IP back to the pool with a cooldown; p_success false counts against its health.';
REVOKE ALL ON FUNCTION release_ip(text, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_ip(text, boolean, integer) TO tracepool_admin;
