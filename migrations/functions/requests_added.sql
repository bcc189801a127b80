-- One NOTIFY per INSERT statement that made something claimable; PostgreSQL folds those of one transaction into one.
-- An offer that is new in its country's queue is listed in queue_offers; that is a read for all clicks but the first.
CREATE OR REPLACE FUNCTION requests_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_is_new boolean;   -- an offer that is not listed yet; NULL when nothing is claimable
BEGIN
  SELECT bool_or(NOT EXISTS (SELECT
                               FROM queue_offers q
                              WHERE q.country = a.target_country
                                AND q.offer_id = coalesce(a.offer_id, '00000000-0000-0000-0000-000000000000')))
    INTO v_is_new
    FROM added a
   WHERE a.next_attempt_at IS NOT NULL;
  IF v_is_new IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM pg_notify('tracepool_requests', '');
  IF v_is_new THEN
    INSERT INTO queue_offers (country, offer_id)
    SELECT seen.country, seen.offer_id
      FROM (SELECT DISTINCT a.target_country AS country,
                   coalesce(a.offer_id, '00000000-0000-0000-0000-000000000000') AS offer_id
              FROM added a
             WHERE a.next_attempt_at IS NOT NULL) AS seen
     WHERE NOT EXISTS (SELECT FROM queue_offers q WHERE q.country = seen.country AND q.offer_id = seen.offer_id);
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION requests_added() FROM PUBLIC;

CREATE OR REPLACE TRIGGER notify_added AFTER INSERT ON active_trace_requests
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION requests_added();
