-- The retry_count of a request after an attempt that failed: NULL when that was the end of it. p_retry: another attempt is
-- worth while. p_is_hosts: the worker's own machine was at its end (host_exhausted). That says nothing about proxy and
-- target, and on a machine whose ports are all in use three attempts are soon made: for as long as a request may wait in the
-- queue, such an attempt does not count.
CREATE OR REPLACE FUNCTION retries_after(t active_trace_requests, p_retry boolean, p_is_hosts boolean,
                                         p_policy trace_policy, p_now timestamptz)
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN NOT p_retry THEN NULL
            WHEN p_is_hosts AND (t).started_at > p_now - (p_policy).queue_ttl_s * interval '1 s' THEN (t).retry_count
            WHEN (t).retry_count < (t).max_retries THEN (t).retry_count + 1 END;
REVOKE ALL ON FUNCTION retries_after(active_trace_requests, boolean, boolean, trace_policy, timestamptz) FROM PUBLIC;
