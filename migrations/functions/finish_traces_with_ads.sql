-- finish_traces for results that ended in an ad: what was found of it is kept, and its views are planned, in the same
-- transaction; a result that is refused plans nothing.
--
-- p_ads: [{"request_id","attempt","evidence","views":[view, ...]}], each view as plan_ad_view reads it.
CREATE OR REPLACE FUNCTION finish_traces_with_ads(p_worker text, p_results jsonb, p_ads jsonb, p_mode text)
RETURNS TABLE (request_id uuid, accepted boolean, new_status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_ad record;
BEGIN
  FOR request_id, accepted, new_status IN
    SELECT f.request_id, f.accepted, f.new_status FROM finish_traces(p_worker, p_results) AS f
  LOOP
    RETURN NEXT;
    CONTINUE WHEN NOT accepted;
    FOR v_ad IN
      SELECT a.request_id, a.attempt, a.evidence, a.views
        FROM jsonb_to_recordset(p_ads) AS a (request_id uuid, attempt integer, evidence jsonb, views jsonb)
       WHERE a.request_id = finish_traces_with_ads.request_id
    LOOP
      INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body)
      VALUES (v_ad.request_id, v_ad.attempt, 'vast', 'application/json', convert_to(v_ad.evidence::text, 'UTF8'))
          ON CONFLICT DO NOTHING;
      IF new_status = 'completed' THEN
        PERFORM plan_ad_view(v_ad.request_id, view, p_mode) FROM jsonb_array_elements(v_ad.views) AS view;
      END IF;
    END LOOP;
  END LOOP;
END $$;
COMMENT ON FUNCTION finish_traces_with_ads(text, jsonb, jsonb, text) IS 'finish_traces, and the ads that were found: kept and planned.';
REVOKE ALL ON FUNCTION finish_traces_with_ads(text, jsonb, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_traces_with_ads(text, jsonb, jsonb, text) TO tracepool_worker, tracepool_admin;
