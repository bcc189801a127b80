-- Messages that are to be posted now, leased to one monitor for p_lease_ms: those of one alert and receiver in their order,
-- one at a time. Those for receivers beyond p_targets wait (the setting lost a URL) and are given up after a day.
CREATE OR REPLACE FUNCTION claim_alert_notices(p_monitor text, p_limit integer, p_lease_ms integer, p_targets integer)
RETURNS TABLE (notice_id bigint, target integer, notice jsonb)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  UPDATE alert_notices n
     SET given_up_at = v_now
   WHERE n.delivered_at IS NULL AND n.given_up_at IS NULL AND n.created_at < v_now - interval '1 day';

  RETURN QUERY
  WITH due AS (
    SELECT n.id
      FROM alert_notices n
     WHERE n.delivered_at IS NULL AND n.given_up_at IS NULL AND n.next_attempt_at <= v_now
       AND coalesce(n.claimed_until, '-infinity') <= v_now AND n.target <= p_targets
       AND NOT EXISTS (SELECT FROM alert_notices earlier
                        WHERE earlier.alert_id = n.alert_id AND earlier.target = n.target AND earlier.id < n.id
                          AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL)
     ORDER BY n.id
     LIMIT p_limit
       FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE alert_notices n
       SET claimed_by = p_monitor, claimed_until = v_now + p_lease_ms * interval '1 ms', attempts = n.attempts + 1
      FROM due
     WHERE n.id = due.id
    RETURNING n.id, n.delivery_id, n.alert_id, n.target, n.state, n.attempts
  )
  SELECT t.id, t.target,
         jsonb_build_object('id', t.delivery_id, 'attempt', t.attempts, 'alert', a.id, 'incident', a.incident_id, 'state', t.state,
                            'rule', a.rule, 'subject', a.subject, 'severity', a.severity, 'value', a.value,
                            'threshold', a.threshold, 'message', a.message, 'advice', a.advice, 'since', a.since,
                            'fired_at', a.fired_at, 'resolved_at', a.resolved_at,
                            'acknowledged_by', a.acknowledged_by, 'note', a.note)
    FROM taken t
    JOIN alerts a ON a.id = t.alert_id
   ORDER BY t.id;
END $$;
COMMENT ON FUNCTION claim_alert_notices(text, integer, integer, integer) IS 'Messages about alerts to post now, leased to a monitor.';
REVOKE ALL ON FUNCTION claim_alert_notices(text, integer, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_alert_notices(text, integer, integer, integer) TO tracepool_monitor, tracepool_admin;
