-- Looks at the traces that completed since the last call: learns what the chains of an offer look like, and raises or
-- counts drift events where one goes another way. Returns at how many attempts it looked. The monitor calls it each
-- tick; two at once do not meet, and a call that finds nothing writes nothing.
--
-- It follows trace_attempts by time, two seconds behind for results whose commit came late, so its cost is that of the
-- new rows, whatever lies in the archive. Of each offer the newest hundred of a call are compared. When more end than
-- it can follow, it skips to the present: the same chains come again.
CREATE OR REPLACE FUNCTION watch_chains(p_limit integer DEFAULT 20000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_learn integer;
  v_watch chain_watch;
  v_ids   uuid[];
  v_count integer;
  v_ended timestamptz;
  v_last  uuid;
  v_seen  record;
  v_best  record;
BEGIN
  SELECT policy.drift_learn_traces INTO v_learn FROM trace_policy policy;
  SELECT * INTO v_watch FROM chain_watch FOR UPDATE SKIP LOCKED;
  IF v_watch.only_row IS NULL OR v_learn = 0 THEN
    RETURN 0;
  END IF;
  IF v_watch.tidied_at < v_now - interval '1 hour' THEN
    PERFORM tidy_drift(v_now);
  END IF;

  SELECT coalesce(array_agg(a.request_id) FILTER (WHERE a.new_status = 'completed'), '{}'), count(*), max(a.ended_at),
         (array_agg(a.request_id ORDER BY a.ended_at DESC, a.request_id DESC))[1]
    INTO v_ids, v_count, v_ended, v_last
    FROM (SELECT b.request_id, b.new_status, b.ended_at
            FROM trace_attempts b
           WHERE b.ended_at >= v_watch.ended_at AND (b.ended_at, b.request_id) > (v_watch.ended_at, v_watch.request_id)
             AND b.ended_at < v_now - interval '2 s'
           ORDER BY b.ended_at, b.request_id
           LIMIT p_limit) AS a;
  IF v_count = 0 THEN
    RETURN 0;
  END IF;

  FOR v_seen IN
    SELECT g.offer_id, g.offer_name, g.country, g.start_url, g.shape, count(*) AS traces, max(g.completed_at) AS at,
           (array_agg(g.request_id ORDER BY g.completed_at))[1] AS first, (array_agg(g.request_id ORDER BY g.completed_at DESC))[1] AS last
      FROM (SELECT o.id AS offer_id, o.offer_name, t.target_country AS country, t.request_id, t.completed_at,
                   chain_start(o, t.tracking_url) AS start_url, chain_shape(t.redirect_chain, t.final_url, t.tracking_url) AS shape
              FROM (SELECT r.request_id, r.offer_id, r.target_country, r.tracking_url, r.final_url, r.redirect_chain, r.completed_at,
                           row_number() OVER (PARTITION BY r.offer_id ORDER BY r.completed_at DESC) AS place
                      FROM unnest(v_ids) AS id
                      JOIN active_trace_requests r ON r.request_id = id
                     WHERE r.offer_id IS NOT NULL AND r.status = 'completed') AS t
              JOIN offers o ON o.id = t.offer_id
             WHERE t.place <= 100) AS g
     GROUP BY g.offer_id, g.offer_name, g.country, g.start_url, g.shape
     ORDER BY min(g.completed_at)
  LOOP
    SELECT e.id, d.differences
      INTO v_best
      FROM (SELECT x.id, x.shape, x.source, bool_or(x.source = 'pinned') OVER () AS is_pinned
              FROM chain_expectations x
             WHERE x.offer_id = v_seen.offer_id
               AND CASE WHEN x.source = 'pinned' THEN x.country IN ('', v_seen.country) AND x.start_url IN ('', v_seen.start_url)
                        ELSE x.country = v_seen.country AND x.start_url = v_seen.start_url END) AS e
     CROSS JOIN LATERAL chain_differences(e.shape, v_seen.shape) AS d (differences)
     WHERE e.source = 'pinned' OR NOT e.is_pinned
     ORDER BY coalesce(d.differences[1], '') LIKE 'final host: %', cardinality(d.differences), e.id   -- the nearest one
     LIMIT 1;
    IF v_best.id IS NULL THEN
      INSERT INTO chain_lessons (offer_id, country, start_url, shape, traces)
      VALUES (v_seen.offer_id, v_seen.country, v_seen.start_url, v_seen.shape, v_seen.traces);
    ELSIF cardinality(v_best.differences) > 0 THEN
      PERFORM note_drift(v_seen.offer_id, v_seen.offer_name, v_seen.country, v_seen.start_url, v_best.id, v_seen.shape, v_best.differences,
                         v_seen.traces, v_seen.first, v_seen.last, v_seen.at);
    END IF;
  END LOOP;

  PERFORM conclude_lessons(l.offer_id, l.country, l.start_url)
     FROM chain_lessons l
    GROUP BY l.offer_id, l.country, l.start_url
   HAVING sum(l.traces) >= v_learn;

  IF v_count = p_limit AND v_ended < v_now - interval '5 minutes' THEN
    v_ended := v_now - interval '1 minute';
  END IF;
  UPDATE chain_watch SET ended_at = v_ended, request_id = v_last;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION watch_chains(integer) IS 'Compares the chains of traces that completed since the last call with the expected ones.';
REVOKE ALL ON FUNCTION watch_chains(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION watch_chains(integer) TO tracepool_monitor, tracepool_admin;

-- Once an hour: closes events that were not seen again, forgets old ones and what belongs to offers that are gone.
CREATE OR REPLACE FUNCTION tidy_drift(p_now timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_policy trace_policy;
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  UPDATE chain_drift_events
     SET state = 'over', closed_at = p_now
   WHERE state = 'open' AND last_at < p_now - v_policy.retention_days * interval '1 day';
  DELETE FROM chain_drift_events WHERE closed_at < p_now - v_policy.statistics_days * interval '1 day';
  DELETE FROM chain_drift_events e WHERE NOT EXISTS (SELECT FROM offers o WHERE o.id = e.offer_id);
  DELETE FROM chain_expectations e WHERE NOT EXISTS (SELECT FROM offers o WHERE o.id = e.offer_id);
  DELETE FROM chain_lessons l WHERE NOT EXISTS (SELECT FROM offers o WHERE o.id = l.offer_id);
  UPDATE chain_watch SET tidied_at = p_now;
END $$;
REVOKE ALL ON FUNCTION tidy_drift(timestamptz) FROM PUBLIC;
