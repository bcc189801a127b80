-- One NOTIFY per INSERT statement that made something claimable; PostgreSQL folds those of one transaction into one.
-- An offer that is new in its country's queue is listed in queue_offers; that is a read for all clicks but the first.
CREATE OR REPLACE FUNCTION requests_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM added WHERE next_attempt_at IS NOT NULL) THEN
    PERFORM pg_notify('tracepool_requests', '');
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
