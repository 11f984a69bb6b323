-- Version 14: lag is measured in one place.

-- collect() locks out its like by a number of its own, which clock_tick() must not take from it.
CREATE OR REPLACE FUNCTION trigperf.clock_tick() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612012) THEN
        RETURN;
    END IF;
    INSERT INTO trigperf.clock (at, xid, lsn)
    SELECT clock_timestamp(), pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn()
    WHERE NOT EXISTS (SELECT FROM trigperf.clock c WHERE c.at > clock_timestamp() - interval '3 seconds')
    ON CONFLICT DO NOTHING;
    DELETE FROM trigperf.clock c WHERE c.at < clock_timestamp() - interval '25 hours';
END
$$;

-- The looks of collect() are notes of the time, too: they survive a crash, go further back, and are made
-- where no context runs.
CREATE OR REPLACE FUNCTION trigperf.clock_of(p_xid xid8) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT COALESCE(
            GREATEST((SELECT c.at FROM trigperf.clock c WHERE c.xid <= p_xid ORDER BY c.at DESC LIMIT 1),
                     (SELECT r.at FROM trigperf.collect_run r WHERE r.next_xid <= p_xid
                      ORDER BY r.at DESC LIMIT 1)),
            (SELECT min(c.at) FROM trigperf.clock c)));
END
$$;

-- The report shows what consumer_list() measures.
CREATE OR REPLACE FUNCTION trigperf.report_consumers() RETURNS TABLE (
    name text, source text, lag_seconds double precision, lag_bytes bigint, connected boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.name, l.source, l.lag_seconds::double precision, l.lag_bytes, l.connected
    FROM trigperf.consumer_list() l WHERE l.name IS NOT NULL
$$;

-- What a context asks of its own position: about how many bytes of the outbox it has not read.
CREATE FUNCTION trigperf.outbox_lag(p_position pg_snapshot) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT trigperf.outbox_bytes_from(trigperf.outbox_unread(p_position))
$$;

REVOKE ALL ON FUNCTION trigperf.outbox_lag(pg_snapshot) FROM PUBLIC;
