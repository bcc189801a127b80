-- Takes the levels of one look (alert_look) and moves alerts on: nothing → pending → firing → resolved. Returns the moves.
--
-- Several monitors may do this at once: there is one unresolved row for a rule and subject, and each move is one UPDATE of
-- it that only the first of them finds possible. Time is counted in the row (since), so a monitor's restart changes
-- nothing. When nobody looked for longer than the alert takes to fire, and a minute, that time does not count.
-- A firing alert resolves when it was within its threshold for p_keep_s; a pending one that is within again is forgotten.
-- An alert of a rule that is not among p_rules any more ends as well.
--
-- Each transition gets a row in alert_notices for each of p_targets receivers: firing unless silenced (then it is told
-- when the silence ends, if it still fires), acknowledged and resolved to those who were told that it fires.
CREATE OR REPLACE FUNCTION judge_alerts(p_rules jsonb, p_levels jsonb, p_keep_s integer, p_targets integer)
RETURNS TABLE (alert_id bigint, rule text, subject text, state text, severity text, message text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  -- Seen again, or for the first time
  INSERT INTO alerts AS a (rule, subject, state, severity, value, threshold, message, advice, for_s, is_posted, since, seen_at)
  SELECT l.rule, l.subject, 'pending', r.severity, l.value, r.threshold, l.message, r.advice, r.for_s, r.is_posted, v_now, v_now
    FROM jsonb_to_recordset(p_levels) AS l (rule text, subject text, value numeric, is_beyond boolean, message text)
    JOIN jsonb_to_recordset(p_rules) AS r (name text, severity text, threshold numeric, advice text, for_s integer, is_posted boolean)
         ON r.name = l.rule
   WHERE l.is_beyond
   ORDER BY l.rule, l.subject   -- in one order: several monitors wait for each other, none for ever
      ON CONFLICT (rule, subject) WHERE state <> 'resolved' DO UPDATE
     SET severity = excluded.severity, value = excluded.value, threshold = excluded.threshold, message = excluded.message,
         advice = excluded.advice, for_s = excluded.for_s, is_posted = excluded.is_posted,
         since = CASE WHEN a.state = 'pending' AND a.seen_at < v_now - greatest(excluded.for_s, 60) * interval '1 s' THEN v_now
                      ELSE a.since END,
         seen_at = greatest(a.seen_at, v_now), updated_at = v_now;

  DELETE FROM alerts a
   WHERE a.state = 'pending' AND NOT (a.rule, a.subject) IN (
         SELECT l.rule, l.subject
           FROM jsonb_to_recordset(p_levels) AS l (rule text, subject text, is_beyond boolean)
          WHERE l.is_beyond);

  RETURN QUERY
  WITH moved AS (
    UPDATE alerts a
       SET state = 'firing', fired_at = v_now, updated_at = v_now
     WHERE a.state = 'pending' AND a.seen_at >= v_now AND a.since <= v_now - a.for_s * interval '1 s'
    RETURNING a.*
  )
  SELECT m.id, m.rule, m.subject, m.state, m.severity, m.message FROM moved m;

  RETURN QUERY
  WITH moved AS (
    UPDATE alerts a
       SET state = 'resolved', resolved_at = v_now, updated_at = v_now
     WHERE a.state = 'firing' AND a.seen_at <= v_now - p_keep_s * interval '1 s' AND NOT (a.rule, a.subject) IN (
           SELECT l.rule, l.subject
             FROM jsonb_to_recordset(p_levels) AS l (rule text, subject text, is_beyond boolean)
            WHERE l.is_beyond)
    RETURNING a.*
  )
  SELECT m.id, m.rule, m.subject, m.state, m.severity, m.message FROM moved m;

  INSERT INTO alert_notices (alert_id, state, target)
  SELECT a.id, 'firing', target.n
    FROM alerts a
   CROSS JOIN generate_series(1, p_targets) AS target (n)
   WHERE a.state = 'firing' AND a.is_posted AND NOT is_silenced(a.rule, a.subject, v_now)
     AND NOT EXISTS (SELECT FROM alert_notices n WHERE n.alert_id = a.id AND n.state = 'firing' AND n.target = target.n)
   ORDER BY a.id, target.n
      ON CONFLICT DO NOTHING;
  INSERT INTO alert_notices (alert_id, state, target)
  SELECT a.id, next.state, told.target
    FROM alert_notices told
    JOIN alerts a ON a.id = told.alert_id
   CROSS JOIN LATERAL (SELECT 'acknowledged' AS state WHERE a.state = 'firing' AND a.acknowledged_at IS NOT NULL
                       UNION ALL
                       SELECT 'resolved' WHERE a.state = 'resolved') AS next
   WHERE told.state = 'firing' AND (a.state = 'firing' OR a.resolved_at > v_now - interval '1 day')
     AND NOT EXISTS (SELECT FROM alert_notices n WHERE n.alert_id = a.id AND n.state = next.state AND n.target = told.target)
   ORDER BY a.id, told.target
      ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION judge_alerts(jsonb, jsonb, integer, integer) IS 'Moves alerts from state to state and writes what is to be told; returns the moves.';
REVOKE ALL ON FUNCTION judge_alerts(jsonb, jsonb, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION judge_alerts(jsonb, jsonb, integer, integer) TO tracepool_monitor, tracepool_admin;
