-- An offer's tracer_detection_result after some more of its traces; what it learns is decided here and nowhere else.
--
-- p_seen: {"traces","reasons","http_ms","browser_ms","samples","browser": objects of numbers, "verdicts","run": letters,
-- "disagreements": [...]}; {} when only the time has gone on. Letters are oldest first:
--   verdicts  one for each trace that HTTP was enough for and that a browser ran too: a agreed, m missed (a page sent
--             the browser on), s (the server answered differently), h (HTTP went further)
--   run       one for each trace that HTTP began: n when its last page asked for a browser, and that went further; . when not
--
-- learnt_missed: learn_missed_after of the last 10 samples are m. learnt_needed: the last learn_needed_after are n. Both
-- hold for learn_for_s behind the last letter that spoke for them, and end at once when the letters no longer do. Nothing
-- is ever learnt that would take the browser away: the page's signs go on deciding that, and a person may (tracer_mode).
CREATE OR REPLACE FUNCTION detection_after(p_old jsonb, p_seen jsonb, p_policy trace_policy, p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  c_samples       CONSTANT integer := 10;
  c_disagreements CONSTANT integer := 5;
  v_old     jsonb := CASE WHEN p_old ->> 'version' = '1' THEN p_old ELSE '{}' END;
  v_seen    text := coalesce(p_seen ->> 'verdicts', '');
  v_run     text := coalesce(p_seen ->> 'run', '');
  v_recent  text := right(coalesce(v_old #>> '{samples,recent}', '') || v_seen, c_samples);
  v_row     integer := length(substring(v_run FROM 'n*$'));
  v_missed  boolean;
  v_needed  boolean;
  v_reason  text;
  v_until   timestamptz;
  v_traces  jsonb := counts_added(v_old -> 'traces', coalesce(p_seen -> 'traces', '{"http_only": 0, "browser": 0}'));
  v_sum     numeric := (v_traces ->> 'http_only')::numeric + (v_traces ->> 'browser')::numeric;
BEGIN
  IF v_row = length(v_run) THEN
    v_row := least(v_row + coalesce((v_old #>> '{browser,in_a_row}')::numeric, 0), 2000000000);
  END IF;
  v_missed := p_policy.learn_missed_after > 0
              AND length(v_recent) - length(replace(v_recent, 'm', '')) >= p_policy.learn_missed_after;
  v_needed := p_policy.learn_needed_after > 0 AND v_row >= p_policy.learn_needed_after;

  IF v_missed AND v_seen LIKE '%m%' THEN
    v_reason := 'learnt_missed';
    v_until := p_now + p_policy.learn_for_s * interval '1 s';
  ELSIF v_needed AND v_run LIKE '%n' THEN
    v_reason := 'learnt_needed';
    v_until := p_now + p_policy.learn_for_s * interval '1 s';
  ELSIF (v_old #>> '{learnt,until}')::timestamptz > p_now
        AND (v_missed AND v_old #>> '{learnt,reason}' = 'learnt_missed' OR v_needed AND v_old #>> '{learnt,reason}' = 'learnt_needed') THEN
    v_reason := v_old #>> '{learnt,reason}';
    v_until := (v_old #>> '{learnt,until}')::timestamptz;
  END IF;

  RETURN jsonb_strip_nulls(jsonb_build_object(
    'version', 1,
    'since', coalesce(v_old -> 'since', to_jsonb(p_now)),
    'updated', CASE WHEN p_seen = '{}' THEN v_old -> 'updated' ELSE to_jsonb(p_now) END,
    'traces', v_traces,
    'http_only_percent', round(100 * (v_traces ->> 'http_only')::numeric / nullif(v_sum, 0), 1),
    'reasons', counts_added(v_old -> 'reasons', p_seen -> 'reasons'),
    'http_ms', with_average(counts_added(v_old -> 'http_ms', p_seen -> 'http_ms')),
    'browser_ms', with_average(counts_added(v_old -> 'browser_ms', p_seen -> 'browser_ms')),
    'samples', counts_added((v_old -> 'samples') - 'recent', p_seen -> 'samples') || jsonb_build_object('recent', v_recent),
    'browser', counts_added((v_old -> 'browser') - 'in_a_row', p_seen -> 'browser') || jsonb_build_object('in_a_row', v_row),
    'disagreements', jsonb_path_query_array(coalesce(p_seen -> 'disagreements', '[]') || coalesce(v_old -> 'disagreements', '[]'),
                                            format('$[0 to %s]', c_disagreements - 1)::jsonpath),
    'learnt', CASE WHEN v_reason IS NOT NULL THEN jsonb_build_object(
                'reason', v_reason,
                'since', CASE WHEN v_old #>> '{learnt,reason}' = v_reason THEN v_old #> '{learnt,since}' ELSE to_jsonb(p_now) END,
                'until', v_until) END));
END $$;
COMMENT ON FUNCTION detection_after(jsonb, jsonb, trace_policy, timestamptz) IS
  'An offer''s tracer_detection_result after more traces, and what the offer has learnt by them.';
REVOKE ALL ON FUNCTION detection_after(jsonb, jsonb, trace_policy, timestamptz) FROM PUBLIC;
