-- Plans one view of an ad: every tracking URL becomes a row of the outbox. Returns how many; a view that was planned
-- before adds nothing, so parsing a document or tracing a request twice never sends twice.
--
-- View: {"ad","creative","ad_id","creative_id","ad_system","duration_ms","provider","macro_mode","macro_formats",
-- "error_code","events":[{"event","ord","at_ms","billing","template","url","host","macros","logged"}]}. at_ms is the moment
-- within the view; without it the event waits for track_event. url and host are the template as expanded for a look.
-- With error_code it is no view but an ad that was lost, and its events are whom that is told.
--
-- p_mode is the worker's setting. What happens is the least of it and the offer's: off plans nothing; verify records
-- every event as skipped, with the URL that would have been called; fire schedules. A request without an offer has
-- nobody who asked for fire.
CREATE OR REPLACE FUNCTION plan_ad_view(p_request uuid, p_view jsonb, p_mode text DEFAULT 'verify') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_policy trace_policy;
  v_view   uuid;
  v_offer  uuid;
  v_wish   text;
  v_mode   text;
  v_count  integer;
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  SELECT t.offer_id, o.tracking_mode
    INTO v_offer, v_wish
    FROM active_trace_requests t
    LEFT JOIN offers o ON o.id = t.offer_id
   WHERE t.request_id = p_request;
  v_mode := CASE WHEN p_mode = 'off' OR v_wish = 'off' THEN 'off'
                 WHEN p_mode = 'fire' AND v_wish = 'fire' THEN 'fire'
                 ELSE 'verify' END;
  IF v_mode = 'off' THEN
    RETURN 0;
  END IF;

  v_view := md5(concat_ws('|', p_request, p_view ->> 'ad', p_view ->> 'creative'))::uuid;
  INSERT INTO ad_view_plans (ad_view_id, request_id, offer_id, ad_index, creative_index, ad_id, creative_id, ad_system,
                             duration_ms, mode, begins_at, provider, macro_mode, macro_formats, error_code)
  VALUES (v_view, p_request, v_offer, (p_view ->> 'ad')::integer, (p_view ->> 'creative')::integer, p_view ->> 'ad_id',
          p_view ->> 'creative_id', p_view ->> 'ad_system', (p_view ->> 'duration_ms')::bigint, v_mode, v_now,
          p_view ->> 'provider', p_view ->> 'macro_mode',
          (SELECT array_agg(f) FROM jsonb_array_elements_text(p_view -> 'macro_formats') AS f),
          (p_view ->> 'error_code')::integer)
      ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;

  INSERT INTO tracking_events (request_id, ad_view_id, ad_index, creative_index, creative_id, event, ord, is_scheduled,
                               is_billing, url_template, url, host, macros, dedup_key, mode, state, reason, max_attempts,
                               due_at, expires_at, is_logged)
  SELECT p_request, v_view, (p_view ->> 'ad')::integer, (p_view ->> 'creative')::integer, p_view ->> 'creative_id',
         e.event, e.ord, e.at_ms IS NOT NULL, coalesce(e.billing, false), e.template,
         CASE v_mode WHEN 'verify' THEN e.url END, e.host, coalesce(e.macros, '{}'),
         sha256(convert_to(concat_ws('|', v_view, e.event, e.at_ms, e.place, e.template), 'UTF8')),
         v_mode, CASE WHEN v_mode = 'verify' AND e.at_ms IS NOT NULL THEN 'skipped' ELSE 'pending' END,
         CASE v_mode WHEN 'verify' THEN CASE WHEN tracking_host_allowed(e.host) THEN 'verify'
                                             ELSE 'verify: host is not allowed' END END,
         1 + v_policy.tracking_retries,
         coalesce(v_now + e.at_ms * interval '1 ms', 'infinity'),
         coalesce(v_now + e.at_ms * interval '1 ms' + v_policy.tracking_expires_s * interval '1 s', 'infinity'),
         coalesce(e.logged, true)
    FROM ROWS FROM (jsonb_to_recordset(p_view -> 'events')
                    AS (event text, ord integer, at_ms bigint, billing boolean, template text, url text, host text,
                        macros jsonb, logged boolean)) WITH ORDINALITY
         AS e (event, ord, at_ms, billing, template, url, host, macros, logged, place)
      ON CONFLICT (dedup_key) DO NOTHING;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  IF v_mode = 'fire' THEN
    PERFORM pg_notify('tracepool_tracking', '');
  END IF;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION plan_ad_view(uuid, jsonb, text) IS 'Turns a view of an ad into rows of the outbox, once; returns how many.';
REVOKE ALL ON FUNCTION plan_ad_view(uuid, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plan_ad_view(uuid, jsonb, text) TO tracepool_admin;
