-- Gives requests of the offers that have moved, and of offers that are gone: those that ended, and those handed over.
-- Variables: since (an interval, or empty for all), unfinished: what waits in the original is handed over now.
\ir views.sql
\if :unfinished
  WITH open AS (
    SELECT t.request_id, to_jsonb(t) AS was
      FROM public.active_trace_requests t
     WHERE (t.status::text = 'pending' OR (t.status::text = 'processing' AND coalesce(t.timeout_at, t.started_at, '-infinity') < now()))
       AND NOT EXISTS (SELECT FROM public.offers o
                        WHERE o.id = t.offer_id
                          AND NOT EXISTS (SELECT FROM public.moved_to_tracepool m WHERE m.kind = 'offer' AND m.name = o.offer_name))
       FOR UPDATE SKIP LOCKED
  ), handed_over AS (
    INSERT INTO public.moved_to_tracepool (kind, name, was) SELECT 'request', open.request_id::text, open.was FROM open ON CONFLICT DO NOTHING
    RETURNING name
  )
  UPDATE public.active_trace_requests t
     SET status = 'failed', error_message = 'handed over to tracepool', completed_at = now()
    FROM handed_over h
   WHERE h.name = t.request_id::text;
\endif
COPY (
  WITH chosen AS (
    SELECT q.line
      FROM moving_requests q
     WHERE q.is_ready
       AND (q.offer IS NULL OR EXISTS (SELECT FROM public.moved_to_tracepool m WHERE m.kind = 'offer' AND m.name = q.offer))
       AND (:'since' = '' OR coalesce(q.line->>'completed_at', q.line->>'started_at')::timestamptz > now() - nullif(:'since', '')::interval))
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
