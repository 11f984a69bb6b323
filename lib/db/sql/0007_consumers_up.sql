-- Version 7: who reads, how far behind, and what to do about it.

-- ---------------------------------------------------------------------------------------------
-- Lag in seconds. Rows of the outbox and positions carry no time; every few seconds somebody notes
-- which transaction id and which position of the log the server has reached. What has a higher one
-- began later. A crash empties it, and then lags are not known for a while.

CREATE UNLOGGED TABLE trigperf.clock (
    at   timestamptz PRIMARY KEY,
    xid  xid8 NOT NULL,
    lsn  pg_lsn NOT NULL
);

CREATE FUNCTION trigperf.clock_tick() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612012) THEN
        RETURN;
    END IF;
    INSERT INTO trigperf.clock (at, xid, lsn)
    SELECT clock_timestamp(), pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn()
    WHERE NOT EXISTS (SELECT FROM trigperf.clock c
                      WHERE c.at BETWEEN clock_timestamp() - interval '3 seconds' AND clock_timestamp())
    ON CONFLICT DO NOTHING;
    DELETE FROM trigperf.clock c
    WHERE c.at NOT BETWEEN clock_timestamp() - interval '25 hours' AND clock_timestamp() + interval '1 minute';
END
$$;

-- When what has this transaction id, or stands at this position, began at the earliest. The looks of
-- collect() are notes of the time, too: they survive a crash, go further back, and are made where no
-- context runs. Notes of the future are of a clock that was set back since.
CREATE FUNCTION trigperf.clock_of(p_xid xid8) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
BEGIN
    RETURN (
        SELECT COALESCE(
            GREATEST((SELECT c.at FROM trigperf.clock c WHERE c.xid <= p_xid AND c.at <= present
                      ORDER BY c.at DESC LIMIT 1),
                     (SELECT r.at FROM trigperf.collect_run r WHERE r.next_xid <= p_xid AND r.at <= present
                      ORDER BY r.at DESC LIMIT 1)),
            (SELECT min(c.at) FROM trigperf.clock c WHERE c.at <= present)));
END
$$;

CREATE FUNCTION trigperf.clock_of(p_lsn pg_lsn) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
BEGIN
    RETURN (
        SELECT COALESCE((SELECT c.at FROM trigperf.clock c WHERE c.lsn <= p_lsn AND c.at <= present
                         ORDER BY c.at DESC LIMIT 1),
                        (SELECT min(c.at) FROM trigperf.clock c WHERE c.at <= present)));
END
$$;

-- (Functions that are called for each consumer are PL/pgSQL, which keeps their plans.)
--
-- The oldest visible row of the outbox that a position has not passed: null when there is none. Each part
-- is asked through its index. (Rows of transactions that run are not visible to this query either.)
CREATE FUNCTION trigperf.outbox_unread(p_position pg_snapshot) RETURNS xid8
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT min(x.xid) FROM (
            (SELECT o.xid FROM trigperf.outbox o
             WHERE o.xid >= pg_snapshot_xmax(p_position) AND o.xid < pg_snapshot_xmax(pg_current_snapshot())
             ORDER BY o.xid LIMIT 1)
            UNION ALL
            (SELECT o.xid FROM trigperf.outbox o
             WHERE o.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_position))) ORDER BY o.xid LIMIT 1)) AS x);
END
$$;

-- About how many bytes of the outbox stand from a transaction id on: each part's size, in proportion to
-- the ids in it.
CREATE FUNCTION trigperf.outbox_bytes_from(p_xid xid8) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_xid IS NULL THEN
        RETURN 0;
    END IF;
    RETURN (
        SELECT COALESCE(sum(CASE WHEN q.last IS NULL OR q.last < q.wanted THEN 0
                                 ELSE q.bytes * (q.last - GREATEST(q.wanted, q.first) + 1)
                                      / (q.last - q.first + 1) END), 0)::bigint
        FROM (SELECT p.bytes::numeric, p.first::text::numeric, p.last::text::numeric,
                     p_xid::text::numeric AS wanted
              FROM (SELECT pg_total_relation_size('trigperf.outbox_0'),
                           (SELECT min(xid) FROM trigperf.outbox_0), (SELECT max(xid) FROM trigperf.outbox_0)
                    UNION ALL
                    SELECT pg_total_relation_size('trigperf.outbox_1'),
                           (SELECT min(xid) FROM trigperf.outbox_1), (SELECT max(xid) FROM trigperf.outbox_1)
                    UNION ALL
                    SELECT pg_total_relation_size('trigperf.outbox_2'),
                           (SELECT min(xid) FROM trigperf.outbox_2), (SELECT max(xid) FROM trigperf.outbox_2)
                    UNION ALL
                    SELECT pg_total_relation_size('trigperf.outbox_3'),
                           (SELECT min(xid) FROM trigperf.outbox_3), (SELECT max(xid) FROM trigperf.outbox_3))
                   AS p(bytes, first, last)) AS q);
END
$$;

-- What a context asks of its own position: about how many bytes of the outbox it has not read.
CREATE FUNCTION trigperf.outbox_lag(p_position pg_snapshot) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT trigperf.outbox_bytes_from(trigperf.outbox_unread(p_position))
$$;

-- ---------------------------------------------------------------------------------------------
-- Consumers: named ones, and contexts without a name that were seen within a minute.
--
--   reading    its owner is there
--   away       nobody is; what it has not read is kept
--   expired    nobody was for retention.max_age_s: what it has not read is kept no longer
--   overtaken  something it had not read is gone (retention.max_age_s or max_bytes; for the log
--              wal.max_bytes or the server's own limit): it resyncs everything when it comes back
CREATE FUNCTION trigperf.consumer_list() RETURNS TABLE (
    name text, source text, state text, owner uuid, claim bigint, application text, connected boolean,
    seen_age_s numeric, needs_resync boolean, "position" text, oldest_unread text,
    lag_transactions bigint, lag_bytes bigint, lag_seconds numeric, slot text, slot_active boolean,
    slot_status text, retained_bytes bigint, created_at timestamptz, seen_at timestamptz,
    acked_at timestamptz, fix text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH present AS (
        SELECT clock_timestamp() AS at, pg_snapshot_xmax(pg_current_snapshot()) AS next_xid,
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                    ELSE pg_current_wal_insert_lsn() END AS lsn,
               (SELECT make_interval(secs => s.value::double precision) FROM trigperf.setting s
                WHERE s.name = 'retention.max_age_s') AS max_age
    ), readers AS (
        SELECT c.name, 'outbox' AS source, c.owner, c.claim, c.needs_resync, c.position,
               NULL::pg_lsn AS lsn, NULL::text AS slot, c.created_at, c.seen_at, c.acked_at
        FROM trigperf.consumer c
        UNION ALL
        SELECT w.name, 'wal', w.owner, w.claim, w.needs_resync, NULL, w.acked, w.slot, w.created_at,
               w.seen_at, w.acked_at
        FROM trigperf.wal_consumer w
        UNION ALL
        SELECT NULL, m.source, m.instance, NULL, false, m.position, NULL, NULL, NULL, m.seen_at, NULL
        FROM trigperf.member m
        WHERE m.seen_at > clock_timestamp() - interval '60 seconds'
          AND NOT EXISTS (SELECT FROM trigperf.consumer c WHERE c.owner = m.instance)
          AND NOT EXISTS (SELECT FROM trigperf.wal_consumer w WHERE w.owner = m.instance)
    )
    SELECT r.name, r.source, q.state, r.owner, r.claim, m.application, q.connected,
           round(EXTRACT(epoch FROM p.at - r.seen_at)::numeric, 1), r.needs_resync,
           COALESCE(r.position::text, q.confirmed::text),
           COALESCE(u.xid::text, CASE WHEN q.confirmed < p.lsn THEN q.confirmed::text END),
           CASE WHEN r.position IS NOT NULL
                THEN COALESCE(p.next_xid::text::bigint - u.xid::text::bigint, 0)
                WHEN q.confirmed IS NOT NULL
                THEN GREATEST(p.next_xid::text::bigint - (SELECT k.xid::text::bigint FROM trigperf.clock k
                                                      WHERE k.lsn <= q.confirmed
                                                      ORDER BY k.at DESC LIMIT 1), 0) END,
           CASE WHEN r.position IS NOT NULL THEN trigperf.outbox_bytes_from(u.xid)
                ELSE pg_wal_lsn_diff(p.lsn, q.confirmed)::bigint END,
           CASE WHEN r.position IS NOT NULL AND u.xid IS NULL THEN 0
                WHEN q.confirmed >= p.lsn THEN 0
                ELSE round(EXTRACT(epoch FROM p.at - COALESCE(trigperf.clock_of(u.xid),
                                                              trigperf.clock_of(q.confirmed)))::numeric, 1)
           END,
           r.slot, s.active, s.wal_status, pg_wal_lsn_diff(p.lsn, s.restart_lsn)::bigint,
           r.created_at, r.seen_at, r.acked_at,
           CASE WHEN r.name IS NULL OR q.state = 'reading' THEN NULL
                ELSE 'it continues when its program runs again'
                     || CASE WHEN q.state = 'overtaken' THEN ', with a resync of everything' ELSE '' END
                     || '; when it will not: trigperf consumers drop --source ' || r.source || ' '
                     || quote_literal(r.name) END
    FROM readers r
    CROSS JOIN present p
    LEFT JOIN trigperf.member m ON m.instance = r.owner AND m.seen_at > p.at - interval '30 seconds'
    LEFT JOIN pg_replication_slots s ON s.slot_name = r.slot AND s.database = current_database()
    CROSS JOIN LATERAL (SELECT trigperf.outbox_unread(r.position)) AS u(xid)
    CROSS JOIN LATERAL (
        SELECT COALESCE(s.active, m.instance IS NOT NULL),
               CASE WHEN s.wal_status <> 'lost' THEN s.confirmed_flush_lsn END,
               CASE WHEN r.slot IS NOT NULL AND (s.slot_name IS NULL OR s.wal_status = 'lost')
                    THEN 'overtaken'
                    WHEN r.name IS NOT NULL AND r.position IS NOT NULL AND trigperf.reader_gap(r.position)
                    THEN 'overtaken'
                    WHEN COALESCE(s.active, m.instance IS NOT NULL) THEN 'reading'
                    WHEN r.source = 'outbox' AND r.seen_at < p.at - p.max_age THEN 'expired'
                    ELSE 'away' END
    ) AS q(connected, confirmed, state)
    ORDER BY r.name IS NULL, r.name, r.source
$$;

CREATE FUNCTION trigperf.consumers() RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(json_agg(row_to_json(c)), '[]') FROM trigperf.consumer_list() c
$$;

-- What the report and the alerts show of it.
CREATE FUNCTION trigperf.report_consumers() RETURNS TABLE (
    name text, source text, lag_seconds double precision, lag_bytes bigint, connected boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.name, l.source, l.lag_seconds::double precision, l.lag_bytes, l.connected
    FROM trigperf.consumer_list() l WHERE l.name IS NOT NULL
$$;

-- Begins anew at the present, with a resync of everything: as after a gap. A process that holds the name
-- notices it with its next sign of life, and does so at once; the number of the claim that reset() took
-- tells it from a claimant. Nothing is kept for the consumer until then.
CREATE FUNCTION trigperf.consumer_reset(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE trigperf.consumer c
    SET claim = c.claim + 1, reset_claim = c.claim + 1, position = pg_current_snapshot(),
        needs_resync = true, system_identifier = NULL, incarnation = NULL
    WHERE c.name = p_name;
    RETURN FOUND;
END
$$;

-- Runs with the caller's rights: dropping a slot takes REPLICATION.
CREATE FUNCTION trigperf.wal_reset(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held text;
BEGIN
    UPDATE trigperf.wal_consumer c
    SET claim = c.claim + 1, reset_claim = c.claim + 1, acked = NULL, needs_resync = true,
        system_identifier = NULL, incarnation = NULL
    WHERE c.name = p_name RETURNING c.slot INTO held;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pg_drop_replication_slot(s.slot_name) FROM pg_replication_slots s
    WHERE s.slot_name = held AND s.database = current_database() AND NOT s.active;
    RETURN true;
END
$$;

-- Ends the connection that follows a consumer's slot, and waits (5 seconds) until it is gone.
CREATE FUNCTION trigperf.wal_release(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held   text := (SELECT c.slot FROM trigperf.wal_consumer c WHERE c.name = p_name);
    reader int;
BEGIN
    FOR i IN 1 .. 500 LOOP
        SELECT s.active_pid INTO reader FROM pg_replication_slots s
        WHERE s.slot_name = held AND s.database = current_database();
        EXIT WHEN reader IS NULL;
        PERFORM pg_terminate_backend(reader);
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN reader IS NULL;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- What contexts show as series and watch with alert rules. The first row is about the database (name
-- null), then come the consumers that lag most.
CREATE FUNCTION trigperf.consumer_watch(p_rows int) RETURNS TABLE (
    name text, source text, overtaken int, lag_seconds float8, lag_transactions bigint,
    lag_bytes bigint, consumers int, outbox_bytes bigint, outbox_limit bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM trigperf.clock_tick();
    RETURN QUERY
    WITH listed AS MATERIALIZED (SELECT * FROM trigperf.consumer_list() l WHERE l.name IS NOT NULL)
    SELECT NULL::text, NULL::text, count(*) FILTER (WHERE l.state = 'overtaken')::int,
           max(l.lag_seconds)::float8, max(l.lag_transactions), max(l.lag_bytes), count(*)::int,
           (SELECT sum(pg_total_relation_size(i.inhrelid))::bigint FROM pg_inherits i
            WHERE i.inhparent = 'trigperf.outbox'::regclass),
           (SELECT s.value::bigint FROM trigperf.setting s WHERE s.name = 'retention.max_bytes')
    FROM listed l
    UNION ALL
    (SELECT l.name, l.source, (l.state = 'overtaken')::int, l.lag_seconds::float8, l.lag_transactions,
            l.lag_bytes, NULL, NULL, NULL
     FROM listed l ORDER BY l.state = 'overtaken' DESC, l.lag_seconds DESC NULLS LAST, l.name, l.source
     LIMIT p_rows);
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
