-- What became of a batch: open (claiming), running (all claimed, some in flight), done or abandoned. An attempt that
-- will be retried counts as failed here. errors: "request-id: message". No row for an unknown batch.
CREATE OR REPLACE FUNCTION batch_result(p_batch uuid)
RETURNS TABLE (state text, processed integer, succeeded integer, failed integer, errors jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT CASE WHEN b.state <> 'open' THEN b.state
              WHEN now.claimed < b.batch_size THEN 'open'
              WHEN now.in_flight > 0 THEN 'running'
              ELSE 'done' END,
         now.processed, now.succeeded, now.processed - now.succeeded,
         coalesce((SELECT jsonb_agg(a.request_id || ': ' || coalesce(nullif(concat_ws(': ', a.error, a.detail), ''), a.outcome)
                                    ORDER BY a.ended_at, a.request_id)
                     FROM trace_attempts a
                    WHERE a.batch_id = b.batch_id AND a.new_status <> 'completed' AND a.outcome <> 'returned'), '[]')
    FROM trace_batches b
   CROSS JOIN LATERAL batch_progress(b.batch_id) AS now
   WHERE b.batch_id = p_batch
$$;
COMMENT ON FUNCTION batch_result(uuid) IS 'State and counts of a batch.';
REVOKE ALL ON FUNCTION batch_result(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_result(uuid) TO tracepool_worker, tracepool_monitor, tracepool_admin, tracepool_readonly;
