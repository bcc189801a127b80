-- Forgets what trace_policy says is too old: archived days (with the evidence of their traces), evidence, ended batches, resolved
-- alerts with their messages, ad views with their events and audit, retired IPs, attempts of requests that a person deleted,
-- silences that are over, certificates not seen for a month, and processes that have been gone for a day and hold no lease.
-- (Snapshots: thin_statistics.) Returns how many rows and partitions went.
CREATE OR REPLACE FUNCTION prune_history() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- An archived day is found by its evidence, never read as a whole; and nobody waits behind us for somebody's long query.
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
SET lock_timeout = '2s'
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_policy trace_policy;
  v_since  timestamptz;
  v_name   text;
  v_total  integer := 0;
  v_count  integer;
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  IF v_policy.archive_keep_days > 0 THEN
    v_since := v_now - v_policy.archive_keep_days * interval '1 day';
    FOR v_name IN
      SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'public.trace_archive'::regclass AND c.relkind = 'r'
         AND c.relname < 'trace_archive_' || to_char(v_since AT TIME ZONE 'UTC', 'YYYYMMDD')
    LOOP
      BEGIN
        EXECUTE format('DELETE FROM public.trace_evidence e WHERE EXISTS (SELECT FROM public.%I a WHERE a.request_id = e.request_id)',
                       v_name);
        EXECUTE format('DROP TABLE public.%I', v_name);
        v_total := v_total + 1;
      EXCEPTION WHEN lock_not_available THEN
        NULL;   -- somebody reads the archive: next time
      END;
    END LOOP;
  END IF;

  v_total := v_total + prune_evidence();

  v_since := v_now - v_policy.statistics_days * interval '1 day';
  DELETE FROM trace_batches WHERE ended_at < v_since;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  DELETE FROM alerts WHERE resolved_at < v_since;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  DELETE FROM alert_notices n WHERE NOT EXISTS (SELECT FROM alerts a WHERE a.id = n.alert_id);
  DELETE FROM alert_silences WHERE until < v_since;
  DELETE FROM target_certificates WHERE seen_at < v_now - interval '31 days';
  WITH views AS (
    DELETE FROM ad_view_plans p WHERE p.begins_at < v_since RETURNING p.ad_view_id
  ), events AS (
    DELETE FROM tracking_events e USING views WHERE e.ad_view_id = views.ad_view_id RETURNING e.id
  ), attempts AS (
    DELETE FROM tracking_attempts a USING events WHERE a.event_id = events.id
  )
  SELECT count(*) INTO v_count FROM views;
  v_total := v_total + v_count;
  DELETE FROM trace_attempts a
   WHERE a.ended_at < v_now - v_policy.retention_days * interval '1 day'
     AND NOT EXISTS (SELECT FROM active_trace_requests t WHERE t.request_id = a.request_id);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  DELETE FROM ip_rotation_pool WHERE retired_at IS NOT NULL AND status <> 'locked';
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  DELETE FROM queue_offers q   -- those that nobody asks for, and the twins of a first moment
   WHERE q.listed_at < v_now - interval '1 day'
     AND (EXISTS (SELECT FROM queue_offers other
                   WHERE other.country = q.country AND other.offer_id = q.offer_id AND other.ctid < q.ctid)
          OR NOT EXISTS (SELECT FROM active_trace_requests t
                          WHERE t.target_country = q.country AND coalesce(t.next_attempt_at, 'infinity') < 'infinity' AND t.priority = 0
                            AND coalesce(t.offer_id, '00000000-0000-0000-0000-000000000000') = q.offer_id));
  DELETE FROM process_heartbeats h
   WHERE h.seen_at < v_now - interval '1 day'
     AND NOT EXISTS (SELECT FROM ip_rotation_pool p WHERE p.status = 'locked' AND p.locked_by = h.incarnation);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_total + v_count;
END $$;
COMMENT ON FUNCTION prune_history() IS 'Drops history that is older than trace_policy keeps it.';
REVOKE ALL ON FUNCTION prune_history() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_history() TO tracepool_monitor, tracepool_admin;
