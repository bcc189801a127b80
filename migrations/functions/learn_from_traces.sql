-- Counts the attempts that have ended since the last call into tracer_detection_result of their offers, and answers with
-- the offers that learnt or forgot something by it. The monitor calls it each snapshot; nobody else writes there.
--
-- Only traces in mode auto that came to an end of their own count: what failed on its way (proxy, transport, time,
-- browser) says nothing about the mode. Attempts are read once, along trace_attempts_ended from where the last call
-- stopped, at most p_limit a call; the last seconds are left for the next one, because results may be committed a
-- moment after their time. An offer that somebody else holds locked loses these counts rather than delay us.
--
-- Samples are pages that HTTP was enough for (or that went to the browser for another reason than the
-- page: learnt_*, evidence) and that both modes saw; needed are pages that asked for a browser. http_timeout is neither:
-- a slow origin is no property of the page.
CREATE OR REPLACE FUNCTION learn_from_traces(p_lag interval DEFAULT '5 s', p_limit integer DEFAULT 50000)
RETURNS TABLE (offer_name text, learnt text, forgot text, until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  c_url_bytes CONSTANT integer := 500;
  v_now    timestamptz := clock_timestamp();
  v_policy trace_policy;
  v_from   timestamptz;
  v_to     timestamptz;
  v_offer  record;
  v_new    jsonb;
BEGIN
  SELECT p.counted_to INTO v_from FROM detection_progress p FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;   -- somebody is at it
  END IF;
  SELECT * INTO v_policy FROM trace_policy;
  SELECT max(a.ended_at)
    INTO v_to
    FROM (SELECT a.ended_at
            FROM trace_attempts a
           WHERE a.ended_at > v_from AND a.ended_at <= v_now - p_lag
           ORDER BY a.ended_at
           LIMIT p_limit) AS a;

  IF v_to IS NOT NULL THEN
    UPDATE detection_progress SET counted_to = v_to;
  END IF;

  FOR v_offer IN
    WITH ended AS MATERIALIZED (
      SELECT a.offer_id, a.request_id, a.ended_at, a.mode_used, a.reason, a.http_ms, a.browser_ms,
             a.compared, (a.compared ->> 'agreed')::boolean AS agreed, a.compared ->> 'difference' AS difference,
             CASE WHEN a.reason IN ('http_sufficient', 'learnt_missed', 'learnt_needed', 'evidence') THEN 'sample'
                  WHEN a.reason IN ('http_timeout', 'http_error', 'non_html') THEN 'other'
                  ELSE 'page' END AS kind
        FROM trace_attempts a
       WHERE a.ended_at > v_from AND a.ended_at <= v_to AND a.offer_id IS NOT NULL AND a.reason IS NOT NULL
         AND a.mode_used IS NOT NULL AND a.outcome NOT IN ('timeout', 'error')
    ), reasons AS (
      SELECT g.offer_id, jsonb_object_agg(g.reason, g.n) AS counts
        FROM (SELECT e.offer_id, e.reason, count(*) AS n FROM ended e GROUP BY 1, 2) AS g
       GROUP BY 1
    ), differing AS (
      SELECT d.offer_id,
             jsonb_agg(jsonb_build_object('at', d.ended_at, 'request_id', d.request_id, 'difference', d.difference,
                                          'http', left(d.compared ->> 'http', c_url_bytes),
                                          'browser', left(d.compared ->> 'browser', c_url_bytes)) ORDER BY d.ended_at DESC) AS list
        FROM (SELECT e.*, row_number() OVER (PARTITION BY e.offer_id ORDER BY e.ended_at DESC) AS n
                FROM ended e
               WHERE e.kind = 'sample' AND NOT e.agreed) AS d
       WHERE d.n <= 5
       GROUP BY 1
    ), counted AS (
      SELECT e.offer_id, jsonb_build_object(
               'traces', jsonb_build_object('http_only', count(*) FILTER (WHERE e.mode_used = 'http_only'),
                                            'browser', count(*) FILTER (WHERE e.mode_used = 'browser')),
               'http_ms', jsonb_build_object('traces', count(e.http_ms), 'sum', coalesce(sum(e.http_ms), 0)),
               'browser_ms', jsonb_build_object('traces', count(e.browser_ms), 'sum', coalesce(sum(e.browser_ms), 0)),
               'samples', jsonb_build_object('traces', count(e.agreed) FILTER (WHERE e.kind = 'sample'),
                                             'agreed', count(*) FILTER (WHERE e.kind = 'sample' AND e.agreed),
                                             'missed', count(*) FILTER (WHERE e.kind = 'sample' AND e.difference = 'missed'),
                                             'served', count(*) FILTER (WHERE e.kind = 'sample' AND e.difference = 'served'),
                                             'short', count(*) FILTER (WHERE e.kind = 'sample' AND e.difference = 'short')),
               'browser', jsonb_build_object('compared', count(e.agreed) FILTER (WHERE e.kind = 'page'),
                                             'needed', count(*) FILTER (WHERE e.kind = 'page' AND NOT e.agreed)),
               'verdicts', string_agg(CASE WHEN e.agreed THEN 'a' WHEN e.difference = 'missed' THEN 'm'
                                           WHEN e.difference = 'short' THEN 'h' ELSE 's' END, '' ORDER BY e.ended_at, e.request_id)
                             FILTER (WHERE e.kind = 'sample' AND e.agreed IS NOT NULL),
               'run', string_agg(CASE WHEN e.kind = 'page' AND e.difference = 'missed' THEN 'n' ELSE '.' END, ''
                                 ORDER BY e.ended_at, e.request_id)
                        FILTER (WHERE e.reason IN ('http_sufficient', 'non_html') OR e.agreed IS NOT NULL)) AS counts
        FROM ended e
       GROUP BY 1
    )
    SELECT o.id, o.offer_name, o.tracer_learnt AS was, o.tracer_detection_result AS old,
           coalesce(c.counts || jsonb_build_object('reasons', r.counts, 'disagreements', coalesce(d.list, '[]')), '{}') AS seen
      FROM offers o
      LEFT JOIN counted c ON c.offer_id = o.id
      LEFT JOIN reasons r ON r.offer_id = o.id
      LEFT JOIN differing d ON d.offer_id = o.id
     WHERE c.offer_id IS NOT NULL OR o.tracer_learnt IS NOT NULL   -- what was learnt ends by time, too
     ORDER BY o.id
       FOR NO KEY UPDATE OF o SKIP LOCKED
  LOOP
    BEGIN
      v_new := detection_after(v_offer.old, v_offer.seen, v_policy, v_now);
    EXCEPTION WHEN data_exception THEN
      v_new := detection_after(NULL, v_offer.seen, v_policy, v_now);   -- somebody wrote into it
    END;
    CONTINUE WHEN v_new = v_offer.old;
    UPDATE offers SET tracer_detection_result = v_new WHERE id = v_offer.id;
    offer_name := v_offer.offer_name;
    learnt := v_new #>> '{learnt,reason}';
    forgot := CASE WHEN v_offer.was IS DISTINCT FROM learnt THEN v_offer.was END;
    until := (v_new #>> '{learnt,until}')::timestamptz;
    IF v_offer.was IS DISTINCT FROM learnt THEN
      RETURN NEXT;
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION learn_from_traces(interval, integer) IS
  'Counts what has ended into offers.tracer_detection_result; answers what offers learnt or forgot.';
REVOKE ALL ON FUNCTION learn_from_traces(interval, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION learn_from_traces(interval, integer) TO tracepool_monitor, tracepool_admin;
