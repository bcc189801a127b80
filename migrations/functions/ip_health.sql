-- What a use does to an IP's health: the rule in one place, for finish_traces() and release_ip().
-- p_good: the proxy did its work. p_bad: the proxy is to blame. Neither: the use says nothing about it.

CREATE OR REPLACE FUNCTION failures_after(p ip_rotation_pool, p_good boolean, p_bad boolean) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_good THEN 0 ELSE (p).consecutive_failures + p_bad::integer END;
REVOKE ALL ON FUNCTION failures_after(ip_rotation_pool, boolean, boolean) FROM PUBLIC;

-- An IP that a person took out of rotation (next_probe_at = infinity) stays out, whatever a last use showed.
CREATE OR REPLACE FUNCTION healthy_after(p ip_rotation_pool, p_good boolean, p_bad boolean, p_policy trace_policy)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN NOT (p).is_healthy AND (p).next_probe_at = 'infinity' THEN false
            WHEN p_good THEN true
            ELSE (p).is_healthy AND failures_after(p, p_good, p_bad) < (p_policy).unhealthy_after END;
REVOKE ALL ON FUNCTION healthy_after(ip_rotation_pool, boolean, boolean, trace_policy) FROM PUBLIC;

-- When an unhealthy IP may be tried again: the pause doubles with each failed probe. NULL for a healthy one.
CREATE OR REPLACE FUNCTION probe_after(p ip_rotation_pool, p_good boolean, p_bad boolean, p_policy trace_policy,
                                       p_now timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN healthy_after(p, p_good, p_bad, p_policy) THEN NULL
            WHEN NOT (p).is_healthy AND (p).next_probe_at = 'infinity' THEN 'infinity'::timestamptz
            ELSE p_now + least((p_policy).probe_pause_max_s,
                               (p_policy).probe_pause_s
                               * 2.0 ^ least(greatest(failures_after(p, p_good, p_bad)
                                                      - (p_policy).unhealthy_after, 0), 30))::float8
                         * interval '1 s' END;
REVOKE ALL ON FUNCTION probe_after(ip_rotation_pool, boolean, boolean, trace_policy, timestamptz) FROM PUBLIC;
