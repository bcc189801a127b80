-- One look with the rules in hand: {"promises", "levels": [{"rule", "subject", "value", "is_beyond", "message"}]}.
-- Whether it has been so for long enough is not asked here (judge_alerts).
--
-- p_rules: [{"name", "severity", "for_s", "is_ceiling", "threshold", "unit", "what", "advice", "is_posted"}]: an alert is
-- above its threshold when that is a ceiling, below it otherwise.
CREATE OR REPLACE FUNCTION alert_look(p_status jsonb, p_rules jsonb, p_silence_ms integer, p_oldest_transaction_s numeric)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT jsonb_build_object('promises', kept.promises, 'levels', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
             'rule', l.rule, 'subject', l.subject, 'value', l.value,
             'is_beyond', CASE WHEN r.is_ceiling THEN l.value > r.threshold ELSE l.value < r.threshold END,
             'message', concat(r.what, CASE WHEN l.subject <> '' THEN ' (' || l.subject || ')' END, ' is ',
                               concat_ws(' ', trim_scale(round(l.value, 2)), nullif(r.unit, '')),
                               CASE WHEN r.is_ceiling THEN ' (more than ' ELSE ' (less than ' END,
                               concat_ws(' ', trim_scale(r.threshold), nullif(r.unit, '')), ')'))
             ORDER BY r.place, l.subject), '[]')
      FROM alert_levels(p_status, kept.promises, p_silence_ms, p_oldest_transaction_s) AS l
      JOIN (SELECT list.rule->>'name' AS name, (list.rule->>'is_ceiling')::boolean AS is_ceiling,
                   (list.rule->>'threshold')::numeric AS threshold, list.rule->>'unit' AS unit, list.rule->>'what' AS what, list.place
              FROM jsonb_array_elements(p_rules) WITH ORDINALITY AS list (rule, place)) AS r ON r.name = l.rule))
    FROM promises(p_status) AS kept (promises)
$$;
COMMENT ON FUNCTION alert_look(jsonb, jsonb, integer, numeric) IS 'What the alert rules see at this moment, and the promises in numbers.';
REVOKE ALL ON FUNCTION alert_look(jsonb, jsonb, integer, numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION alert_look(jsonb, jsonb, integer, numeric) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
