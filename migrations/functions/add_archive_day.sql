-- The archive's partition for one day (UTC) of clicks, unless it is there.
CREATE OR REPLACE FUNCTION add_archive_day(p_day date) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_name text := 'trace_archive_' || to_char(p_day, 'YYYYMMDD');
BEGIN
  IF to_regclass('public.' || v_name) IS NULL THEN
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.trace_archive FOR VALUES FROM (%L) TO (%L)',
                   v_name, p_day::timestamp AT TIME ZONE 'UTC', (p_day + 1)::timestamp AT TIME ZONE 'UTC');
  END IF;
END $$;
REVOKE ALL ON FUNCTION add_archive_day(date) FROM PUBLIC;
