-- What comes through the pipe, into the table incoming; refused when it stops before its end.
\copy incoming FROM pstdin
DO $$
DECLARE
  v_end integer := (SELECT (line->>'end')::integer FROM incoming WHERE line ? 'end');
BEGIN
  DELETE FROM incoming WHERE line ? 'end';
  IF v_end IS DISTINCT FROM (SELECT count(*) FROM incoming) THEN
    RAISE EXCEPTION 'what came is not whole (% of % rows): nothing was changed, run it again', (SELECT count(*) FROM incoming), coalesce(v_end::text, '?');
  END IF;
END $$;
ANALYZE incoming;
