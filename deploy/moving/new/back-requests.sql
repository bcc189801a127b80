-- Gives what came in here of an offer and has ended, in the original's terms: it knows no `skipped`, so such a click is a
-- failed one that says why. Variable: offer.
\ir views.sql
COPY (
  WITH chosen AS (
    SELECT (q.line - 'offer_name' - 'click_path')
           || jsonb_build_object('created_at', q.created_at, 'max_retries', q.max_retries)
           || CASE WHEN q.status = 'skipped'
                   THEN jsonb_build_object('status', 'failed', 'error_message', 'not traced: ' || coalesce(q.skip_reason, 'skipped')) ELSE '{}' END AS line
      FROM moving_requests q
     WHERE q.offer = :'offer' AND q.click_path IS DISTINCT FROM 'original' AND q.status NOT IN ('pending', 'processing'))
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
SELECT count(*) AS open FROM moving_requests WHERE offer = :'offer' AND status IN ('pending', 'processing') \gset
\if :open
  \warn move: :open requests of :offer are still to be traced here: run it again when they have ended
\endif
