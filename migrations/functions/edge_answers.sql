-- Answers to clicks by host, since its edge started: {"host": {"answers", "over_200ms", "over_500ms"}}. Children of an
-- edge share their counters and each tells all of them, so the largest word of a host is the newest.
CREATE OR REPLACE FUNCTION edge_answers(p_now timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT coalesce(jsonb_object_agg(said.host, jsonb_build_object(
           'answers', said.answers,
           'over_200ms', greatest(0, said.answers - said.within_200ms),
           'over_500ms', greatest(0, said.answers - said.within_500ms))), '{}')
    FROM (SELECT DISTINCT ON (h.host) h.host,
                 (h.counters->>'tracepool_edge_answer_seconds_count')::bigint AS answers,
                 coalesce((h.counters->>'tracepool_edge_answer_seconds_bucket{le="0.2"}')::bigint, 0) AS within_200ms,
                 coalesce((h.counters->>'tracepool_edge_answer_seconds_bucket{le="0.5"}')::bigint, 0) AS within_500ms
            FROM process_heartbeats h
           WHERE h.program = 'edge' AND h.seen_at > p_now - interval '1 minute'
             AND h.counters ? 'tracepool_edge_answer_seconds_bucket{le="0.5"}'
           ORDER BY h.host, (h.counters->>'tracepool_edge_answer_seconds_count')::bigint DESC) AS said
$$;
REVOKE ALL ON FUNCTION edge_answers(timestamptz) FROM PUBLIC;
