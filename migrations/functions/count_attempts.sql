-- Counts the attempts that have ended since the last call into attempts_by_kind and attempts_by_country, by whole tens of
-- seconds. record_pool_statistics() calls it; two at once do not meet. A call that comes late makes up for what nobody
-- counted in the last hour, ten minutes a call, so that no call is long.
--
-- A result is committed a moment after its time. So the last ten seconds are left for the next call (a statement of ours may
-- take six), and what ended two minutes ago is counted again, with what a slow commit or a standby held back.
CREATE OR REPLACE FUNCTION count_attempts() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  c_at_once CONSTANT interval := '10 minutes';
  c_again   CONSTANT interval := '2 minutes';
  c_kept    CONSTANT interval := '61 minutes';   -- the longest window, asked for by a statement that took its time
  v_due     timestamptz := date_bin('10 s', clock_timestamp() - interval '10 s', 'epoch');
  v_kept    timestamptz := v_due - c_kept;
  v_counted timestamptz;
  v_from    timestamptz;
  v_to      timestamptz;
  v_part    record;
BEGIN
  SELECT c.counted_to INTO v_counted FROM attempts_counted c FOR UPDATE SKIP LOCKED;
  IF v_counted IS NULL OR v_counted = v_due THEN
    RETURN;   -- somebody is at it, or it is done
  END IF;
  v_from := CASE WHEN v_counted > v_due THEN v_kept   -- the clock was turned back
                 ELSE greatest(v_counted, v_kept) END;
  v_to := least(v_due, v_from + c_at_once);

  -- What is too old now, without a look at what went before: behind a forgotten open transaction it is still in the index.
  DELETE FROM attempts_by_kind k WHERE k.at >= v_counted - c_kept AND k.at < v_kept OR k.at >= v_to;
  DELETE FROM attempts_by_country c WHERE c.at >= v_counted - c_kept AND c.at < v_kept OR c.at >= v_to;
  FOR v_part IN
    SELECT v_from AS first, v_to AS last
     UNION ALL
    SELECT greatest(v_from - c_again, v_kept), least(v_from, v_to - c_again)
  LOOP
    DELETE FROM attempts_by_kind k WHERE k.at >= v_part.first AND k.at < v_part.last;
    DELETE FROM attempts_by_country c WHERE c.at >= v_part.first AND c.at < v_part.last;
    INSERT INTO attempts_by_kind SELECT k.* FROM count_by_kind(v_part.first, v_part.last) AS k ORDER BY k.at;
    INSERT INTO attempts_by_country SELECT c.* FROM count_by_country(v_part.first, v_part.last) AS c ORDER BY c.at;
  END LOOP;
  UPDATE attempts_counted SET counted_to = v_to;
END $$;
COMMENT ON FUNCTION count_attempts() IS 'Counts what has ended into attempts_by_kind and attempts_by_country.';
REVOKE ALL ON FUNCTION count_attempts() FROM PUBLIC;
