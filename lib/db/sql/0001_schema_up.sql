-- Schema trigperf, version 1: registry, outbox, consumers, the elected notifier.
--
-- Plain SQL for PostgreSQL 15 and newer. No extension, no superuser. Whoever runs it owns the schema;
-- functions that others call are SECURITY DEFINER with a fixed search_path, and PUBLIC has no right
-- on anything here. It is meant to run in one transaction.

CREATE SCHEMA trigperf;
COMMENT ON SCHEMA trigperf IS 'libtrigperf: what changed, who reads it, and the rules that turn it into cache keys';

CREATE TABLE trigperf.migration (
    version         int PRIMARY KEY,
    name            text NOT NULL,
    checksum        text NOT NULL,
    compatible_from int NOT NULL,
    library         text NOT NULL,
    applied_at      timestamptz NOT NULL DEFAULT pg_catalog.now(),
    applied_by      text NOT NULL DEFAULT CURRENT_USER
);
COMMENT ON COLUMN trigperf.migration.compatible_from IS
    'smallest schema version that a library must know to work with this one';

-- registry_version moves with every change of captured_table and cascade_rule: readers compare it at
-- each poll and reload.
CREATE TABLE trigperf.setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO trigperf.setting (name, value) VALUES
    ('registry_version', '1'),
    ('retention.max_age_s', '86400'),
    ('retention.max_bytes', '1073741824');

-- ---------------------------------------------------------------------------------------------
-- Registry

CREATE TABLE trigperf.captured_table (
    id                 int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name        text NOT NULL,
    table_name         text NOT NULL,
    relid              regclass NOT NULL,
    key_names          text[] NOT NULL,
    key_columns        text[] NOT NULL,
    key_exprs          text[] NOT NULL,
    key_slots          text[] NOT NULL,
    watch              text[] NOT NULL,
    granularity        text NOT NULL CHECK (granularity IN ('statement', 'row', 'wal')),
    granularity_reason text NOT NULL,
    isolate            text NOT NULL DEFAULT 'keys' CHECK (isolate IN ('keys', 'full')),
    replicated         boolean NOT NULL DEFAULT false,
    max_keys           int NOT NULL CHECK (max_keys > 0),
    function_name      text NOT NULL,
    row_filter         text,
    filter_columns     text[],
    sample_rate        double precision,
    generator          int,
    fingerprint        text,
    digest             numeric,
    attached_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    attached_by        text NOT NULL DEFAULT CURRENT_USER,
    UNIQUE (schema_name, table_name)
);
COMMENT ON COLUMN trigperf.captured_table.key_columns IS
    'column behind each key; null where the key is an expression (key_exprs)';
COMMENT ON COLUMN trigperf.captured_table.key_slots IS
    'where each key stands in an outbox row: i2 is the second key of column i';
COMMENT ON COLUMN trigperf.captured_table.filter_columns IS
    'columns of row_filter, which a replica identity must hold';
COMMENT ON COLUMN trigperf.captured_table.sample_rate IS
    'share of the executions of the capture function that is timed; null: none ever was';
COMMENT ON COLUMN trigperf.captured_table.generator IS
    'which generation of the text the capture function is; null where there is none';
COMMENT ON COLUMN trigperf.captured_table.fingerprint IS
    'what table_check_all() saw last; null: not looked at yet';
COMMENT ON COLUMN trigperf.captured_table.digest IS
    'versions of all catalog rows that the fingerprint may depend on, when a look at it left nothing to do';

CREATE TABLE trigperf.cascade_rule (
    id              int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_id        int REFERENCES trigperf.captured_table ON DELETE CASCADE,
    scope           text,
    ops             text[] NOT NULL DEFAULT '{}'
        CHECK (ops <@ ARRAY['insert', 'update', 'delete', 'truncate']),
    template        text NOT NULL CHECK (template <> ''),
    min_interval_ms int CHECK (min_interval_ms >= 0),
    CHECK ((table_id IS NULL) <> (scope IS NULL))
);
CREATE UNIQUE INDEX cascade_rule_table ON trigperf.cascade_rule (table_id, template)
    WHERE table_id IS NOT NULL;
CREATE UNIQUE INDEX cascade_rule_scope ON trigperf.cascade_rule (scope, template)
    WHERE scope IS NOT NULL;

-- What readers of the write-ahead log must know stands in the log, in the order of commits, at any
-- wal_level: that the registry changed, and (see resync()) that a table must be resynced.
CREATE FUNCTION trigperf.registry_bump() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_logical_emit_message(true, 'trigperf', 'registry');
    UPDATE trigperf.setting SET value = (value::bigint + 1)::text
    WHERE name = 'registry_version' RETURNING value::bigint;
$$;

-- ---------------------------------------------------------------------------------------------
-- Errors of capture triggers

CREATE TABLE trigperf.trigger_error_log (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name    text NOT NULL,
    operation     text NOT NULL,
    error_message text NOT NULL,
    error_context text,
    sqlstate      text,
    occurred_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    xid           xid8 DEFAULT pg_catalog.pg_current_xact_id()
);
CREATE INDEX trigger_error_log_occurred ON trigperf.trigger_error_log (occurred_at);
CREATE INDEX trigger_error_log_xid ON trigperf.trigger_error_log (xid);

-- ---------------------------------------------------------------------------------------------
-- Outbox: one narrow typed row per captured statement (or row).
--
-- op: I U D  the arrays carry the distinct key tuples, one after the other key by key: with the keys a
--            and b, both integers, and three tuples, i is {a, a, a, b, b, b}. key_slots of the
--            registry says where each key stands; a table without keys has no array at all
--     T      TRUNCATE;  B  more than max_keys tuples;  E  the key computation failed
--
-- Every byte, every column and every index here is paid by the application's writers: preparing an
-- INSERT costs 0.4 us for each column, used or not, and finding a partition 5. So there are three
-- arrays for all keys, and four plain tables instead of partitions, whose choice is the business of
-- whoever inserts: (transaction id >> 17) & 3, so that they take turns every 131,072 transactions and
-- one that every position has passed is truncated as a whole. They inherit from one that stays empty
-- and serves to read them all.

CREATE TABLE trigperf.outbox (
    xid      xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    table_id int NOT NULL,
    op       "char" NOT NULL,
    i        bigint[],
    u        uuid[],
    t        text[],
    CONSTRAINT outbox_is_written_in_its_parts CHECK (false) NO INHERIT
);

-- TOAST compression was a third of the cost of a bulk statement with pglz; lz4 is a build option of
-- the server, so it is tried and its absence is fine. The parts inherit it.
DO $$
DECLARE
    col text;
BEGIN
    FOR col IN
        SELECT a.attname FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = 'trigperf.outbox'::regclass AND a.attnum > 0 AND a.attndims > 0
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE trigperf.outbox ALTER COLUMN %I SET COMPRESSION lz4', col);
    END LOOP;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

-- TRUNCATE does all the cleaning: autovacuum would only stand in its way.
CREATE TABLE trigperf.outbox_0 () INHERITS (trigperf.outbox)
    WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE TABLE trigperf.outbox_1 () INHERITS (trigperf.outbox)
    WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE TABLE trigperf.outbox_2 () INHERITS (trigperf.outbox)
    WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE TABLE trigperf.outbox_3 () INHERITS (trigperf.outbox)
    WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE INDEX outbox_xid ON trigperf.outbox (xid);
CREATE INDEX outbox_0_xid ON trigperf.outbox_0 (xid);
CREATE INDEX outbox_1_xid ON trigperf.outbox_1 (xid);
CREATE INDEX outbox_2_xid ON trigperf.outbox_2 (xid);
CREATE INDEX outbox_3_xid ON trigperf.outbox_3 (xid);

-- One coarse row: T, B or E for a table, B for table 0, which is everything.
CREATE FUNCTION trigperf.outbox_coarse(p_table_id int, p_op "char") RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s int := (txid_current() >> 17) & 3;
BEGIN
    IF s = 0 THEN
        INSERT INTO trigperf.outbox_0 (table_id, op) VALUES (p_table_id, p_op);
    ELSIF s = 1 THEN
        INSERT INTO trigperf.outbox_1 (table_id, op) VALUES (p_table_id, p_op);
    ELSIF s = 2 THEN
        INSERT INTO trigperf.outbox_2 (table_id, op) VALUES (p_table_id, p_op);
    ELSE
        INSERT INTO trigperf.outbox_3 (table_id, op) VALUES (p_table_id, p_op);
    END IF;
END
$$;

-- Tells every reader that anything under a table (null: under any attached table) may have changed.
-- Attaching does so, because changes before it were not captured; a new rule does, because its keys
-- were not forgotten before; and whoever mends something by hand should.
CREATE FUNCTION trigperf.resync(p_table_id int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told bigint;
BEGIN
    PERFORM pg_logical_emit_message(true, 'trigperf', concat_ws(' ', 'resync', p_table_id));
    PERFORM trigperf.outbox_coarse(c.id, 'B') FROM trigperf.captured_table c
    WHERE p_table_id IS NULL OR c.id = p_table_id;
    GET DIAGNOSTICS told = ROW_COUNT;
    RETURN told;
END
$$;

CREATE TABLE trigperf.outbox_slot (
    slot             smallint PRIMARY KEY,
    removed_max      xid8,
    removed_snapshot pg_snapshot,
    truncated_at     timestamptz
);
COMMENT ON TABLE trigperf.outbox_slot IS
    'what the last truncation of each part removed: transactions up to removed_max that were visible in removed_snapshot';
INSERT INTO trigperf.outbox_slot (slot) VALUES (0), (1), (2), (3);

CREATE FUNCTION trigperf.outbox_slot_of(p_xid xid8) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ((p_xid::text::bigint >> 17) & 3)::smallint
$$;

-- ---------------------------------------------------------------------------------------------
-- Who reads

-- Emptied by a crash, a promotion and a base backup, because it is UNLOGGED; what a dump restores and
-- what CREATE DATABASE copies is told by the numbers of the table and the database. A new identity
-- tells readers that commits may have been forgotten and transaction ids reused.
CREATE UNLOGGED TABLE trigperf.incarnation (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id          uuid NOT NULL,
    in_table    oid NOT NULL,
    in_database oid NOT NULL
);

CREATE FUNCTION trigperf.incarnation_get() RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    this_table    oid := 'trigperf.incarnation'::regclass;
    this_database oid := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    found_id      uuid;
BEGIN
    LOOP
        SELECT i.id INTO found_id FROM trigperf.incarnation i
        WHERE i.in_table = this_table AND i.in_database = this_database;
        IF FOUND THEN
            RETURN found_id;
        END IF;
        INSERT INTO trigperf.incarnation AS i (id, in_table, in_database)
        VALUES (gen_random_uuid(), this_table, this_database)
        ON CONFLICT (singleton) DO UPDATE
            SET id = EXCLUDED.id, in_table = EXCLUDED.in_table, in_database = EXCLUDED.in_database
            WHERE i.in_table <> this_table OR i.in_database <> this_database;
    END LOOP;
END
$$;

CREATE TABLE trigperf.consumer (
    name              text PRIMARY KEY CHECK (name <> ''),
    claim             bigint NOT NULL,
    owner             uuid,
    position          pg_snapshot NOT NULL,
    needs_resync      boolean NOT NULL,
    system_identifier bigint,
    incarnation       uuid,
    created_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    seen_at           timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    acked_at          timestamptz,
    reset_claim       bigint
) WITH (fillfactor = 50);
COMMENT ON COLUMN trigperf.consumer.claim IS
    'rises with every claim; a position is stored only by the newest claimant';

-- Before a table is detached: if some reader has not passed all its changes, everybody is told to
-- resync everything (a row of table 0), because without the registry row those changes mean nothing.
-- Triggers are gone by then, under a lock that waited for writers: no change is under way.
CREATE FUNCTION trigperf.resync_unread(p_table_id int) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM trigperf.outbox_coarse(0, 'B')
    WHERE EXISTS (
        SELECT FROM trigperf.outbox o
        JOIN (SELECT c.position FROM trigperf.consumer c
              UNION ALL
              SELECT m.position FROM trigperf.member m
              WHERE m.position IS NOT NULL
                AND m.seen_at > clock_timestamp() - interval '60 seconds') AS r(pos)
          ON NOT pg_visible_in_snapshot(o.xid, r.pos)
        WHERE o.table_id = p_table_id);
    RETURN FOUND;
END
$$;

-- Every live context, for the notifier to know whether it is alone, and ephemeral readers' positions
-- for rotation to wait for. Losing it in a crash loses nothing.
CREATE UNLOGGED TABLE trigperf.member (
    instance    uuid PRIMARY KEY,
    application text,
    source      text NOT NULL DEFAULT 'outbox',
    position    pg_snapshot,
    seen_at     timestamptz NOT NULL
);

-- The channel's name is random: only those who may read this table can listen to it, or forge what is
-- said on it.
CREATE TABLE trigperf.notifier (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    channel   text NOT NULL,
    instance  uuid,
    claim     bigint NOT NULL DEFAULT 0,
    beat      timestamptz
) WITH (fillfactor = 50);
INSERT INTO trigperf.notifier (channel)
SELECT 'trigperf_' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '');

-- Rows after a position are gone when their part was truncated before the position had passed
-- them: either the position ends before the newest of them, or one of them ran at the position.
-- VOLATILE, so that it sees truncations that were committed after the calling statement began.
CREATE FUNCTION trigperf.reader_gap(p_position pg_snapshot) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM trigperf.outbox_slot s
        WHERE s.removed_max IS NOT NULL
          AND (pg_snapshot_xmax(p_position) <= s.removed_max
               OR (pg_snapshot_xmin(p_position) <= s.removed_max
                   AND EXISTS (SELECT FROM pg_snapshot_xip(p_position) AS x
                               WHERE x <= s.removed_max
                                 AND trigperf.outbox_slot_of(x) = s.slot
                                 AND pg_visible_in_snapshot(x, s.removed_snapshot)))));
END
$$;

-- A new name starts at the present and owes its reader a resync of everything. A known one goes on
-- where it acknowledged, unless that cannot be continued: another system, another incarnation
-- (commits may have been forgotten after the reader filled its cache), a position ahead of the server,
-- or rows removed by retention. fresh: the position was set to the present just now, so the resync is
-- a new debt; otherwise it is one that was never settled.
--
-- p_former: the claim number that the same process held before its connection broke, null at first. If
-- somebody else claimed since, it does not take the name back: claim is null.
CREATE FUNCTION trigperf.consumer_claim(p_name text, p_instance uuid, p_system bigint,
                                        p_incarnation uuid, p_former bigint, OUT claim bigint,
                                        OUT pos text, OUT needs_resync boolean, OUT fresh boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    known trigperf.consumer;
    broken boolean;
BEGIN
    INSERT INTO trigperf.consumer AS c
        (name, claim, owner, position, needs_resync, system_identifier, incarnation)
    VALUES (p_name, 1, p_instance, pg_current_snapshot(), true, p_system, p_incarnation)
    ON CONFLICT DO NOTHING
    RETURNING c.claim, c.position::text, c.needs_resync, true
    INTO claim, pos, needs_resync, fresh;
    IF fresh THEN
        RETURN;
    END IF;
    SELECT * INTO STRICT known FROM trigperf.consumer c WHERE c.name = p_name FOR UPDATE;
    IF known.claim <> p_former AND known.owner IS DISTINCT FROM p_instance THEN
        RETURN;
    END IF;
    broken := known.system_identifier IS DISTINCT FROM p_system
           OR known.incarnation IS DISTINCT FROM p_incarnation
           OR pg_snapshot_xmax(known.position) > pg_snapshot_xmax(pg_current_snapshot())
           OR trigperf.reader_gap(known.position);
    UPDATE trigperf.consumer c
    SET claim = c.claim + 1,
        owner = p_instance,
        position = CASE WHEN broken THEN pg_current_snapshot() ELSE c.position END,
        needs_resync = c.needs_resync OR broken,
        system_identifier = p_system,
        incarnation = p_incarnation,
        seen_at = clock_timestamp()
    WHERE c.name = p_name
    RETURNING c.claim, c.position::text, c.needs_resync, broken
    INTO claim, pos, needs_resync, fresh;
END
$$;

-- 'ok', 'superseded' (a newer claimant owns the name) or 'missing'. A null position is a sign of life
-- alone.
CREATE FUNCTION trigperf.consumer_store(p_name text, p_claim bigint, p_position pg_snapshot,
                                        p_resync_done boolean) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present trigperf.consumer;
BEGIN
    UPDATE trigperf.consumer c
    SET position = COALESCE(p_position, c.position),
        needs_resync = c.needs_resync AND NOT p_resync_done,
        seen_at = clock_timestamp(),
        acked_at = CASE WHEN p_position IS NULL THEN c.acked_at ELSE clock_timestamp() END
    WHERE c.name = p_name AND c.claim = p_claim;
    IF FOUND THEN
        RETURN 'ok';
    END IF;
    SELECT * INTO present FROM trigperf.consumer c WHERE c.name = p_name;
    RETURN CASE WHEN present.name IS NULL OR present.claim = present.reset_claim THEN 'missing'
                ELSE 'superseded' END;
END
$$;

CREATE FUNCTION trigperf.consumer_drop(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM trigperf.consumer c WHERE c.name = p_name;
    RETURN FOUND;
END
$$;

-- Those that gave no sign of life for an hour are forgotten, and those that gave one in the future, where
-- the clock was set back: who lives gives another one soon.
CREATE FUNCTION trigperf.member_sweep() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM trigperf.member m
    WHERE m.seen_at NOT BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp() + interval '1 minute';
END
$$;

CREATE FUNCTION trigperf.member_seen(p_instance uuid, p_application text, p_position pg_snapshot)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO trigperf.member AS m (instance, application, position, seen_at)
    VALUES (p_instance, p_application, p_position, clock_timestamp())
    ON CONFLICT (instance) DO UPDATE
        SET application = EXCLUDED.application, position = EXCLUDED.position,
            seen_at = EXCLUDED.seen_at;
    PERFORM trigperf.member_sweep();
END
$$;

-- Contexts with source = wal stand in member too; the notifier counts those that read the outbox.
CREATE FUNCTION trigperf.member_follow(p_instance uuid, p_application text, p_source text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO trigperf.member AS m (instance, application, source, seen_at)
    VALUES (p_instance, p_application, p_source, clock_timestamp())
    ON CONFLICT (instance) DO UPDATE
        SET application = EXCLUDED.application, source = EXCLUDED.source, seen_at = EXCLUDED.seen_at;
    PERFORM trigperf.member_sweep();
END
$$;

CREATE FUNCTION trigperf.member_gone(p_instance uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM trigperf.member WHERE instance = p_instance
$$;

-- ---------------------------------------------------------------------------------------------
-- The notifier lives by its heartbeat. One conditional update renews it, or takes over a lease that
-- is out; a contender finds the row locked only for the length of such an update.

CREATE FUNCTION trigperf.notifier_elect(p_instance uuid, p_lease_ms int, OUT leader boolean,
                                        OUT claim bigint, OUT age_ms int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    held trigperf.notifier;
BEGIN
    SELECT * INTO held FROM trigperf.notifier n FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO held FROM trigperf.notifier n;
        leader := COALESCE(held.instance = p_instance, false);
        claim := held.claim;
        age_ms := 0;
        RETURN;
    END IF;
    age_ms := LEAST(2147483647, GREATEST(-1,
        COALESCE(EXTRACT(epoch FROM clock_timestamp() - held.beat) * 1000, 2147483647)))::int;
    leader := COALESCE(held.instance = p_instance, false) OR held.instance IS NULL
           OR age_ms > p_lease_ms OR age_ms < 0;
    claim := held.claim;
    IF leader THEN
        UPDATE trigperf.notifier n
        SET claim = n.claim + CASE WHEN held.instance = p_instance THEN 0 ELSE 1 END,
            instance = p_instance, beat = clock_timestamp()
        RETURNING n.claim INTO claim;
    END IF;
END
$$;

CREATE FUNCTION trigperf.notifier_resign(p_instance uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE trigperf.notifier SET instance = NULL, beat = NULL WHERE instance = p_instance
$$;

-- ---------------------------------------------------------------------------------------------
-- Rotation. A part of the outbox may go when every position has passed all its rows: the position
-- ends after the newest of them, and no transaction that ran at the position lies in it. That needs
-- the newest transaction id alone, an index lookup. It is checked before and after taking the lock;
-- the lock is only taken if that is possible at once, so neither a writer nor a dump is ever waited
-- for, and no writer waits for us, because writers name the part of the present transaction id, which
-- is never touched, and lock no other.

CREATE FUNCTION trigperf.outbox_passed(p_slot smallint, p_max xid8) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    max_age   interval := make_interval(secs =>
        (SELECT value::double precision FROM trigperf.setting WHERE name = 'retention.max_age_s'));
    max_bytes bigint :=
        (SELECT value::bigint FROM trigperf.setting WHERE name = 'retention.max_bytes');
    oversized boolean :=
        (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits
         WHERE inhparent = 'trigperf.outbox'::regclass) > max_bytes;
BEGIN
    RETURN NOT EXISTS (
        SELECT FROM (
            SELECT c.position FROM trigperf.consumer c
            WHERE c.seen_at > clock_timestamp() - max_age AND NOT oversized
            UNION ALL
            SELECT m.position FROM trigperf.member m
            WHERE m.position IS NOT NULL AND m.seen_at > clock_timestamp() - interval '60 seconds'
              AND NOT oversized
        ) AS p(pos)
        WHERE pg_snapshot_xmax(p.pos) <= p_max
           OR EXISTS (SELECT FROM pg_snapshot_xip(p.pos) AS x
                      WHERE x <= p_max AND trigperf.outbox_slot_of(x) = p_slot));
END
$$;

-- Oldest first, so that an outbox over its size limit loses no more than it must. The next part
-- in turn is left alone when its turn is near.
CREATE FUNCTION trigperf.outbox_rotate() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present   bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    s         int;
    last      xid8;
    newest    xid8;
    part      text;
    look      text;
    truncated int := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612001) THEN
        RETURN 0;
    END IF;
    FOR k IN CASE WHEN (present & 131071) >= 122880 THEN 2 ELSE 1 END .. 3 LOOP
        s := ((present >> 17) + k) & 3;
        last := GREATEST((((present >> 17) + k - 3) << 17) - 1, 0)::text::xid8;
        part := 'outbox_' || s;
        look := format('SELECT CASE WHEN max(xid) < $1 THEN max(xid) WHEN max(xid) IS NOT NULL THEN $1 END '
                       'FROM ONLY trigperf.%I', part);
        EXECUTE look INTO newest USING last;
        CONTINUE WHEN newest IS NULL OR NOT trigperf.outbox_passed(s::smallint, newest);
        BEGIN
            EXECUTE format('LOCK TABLE ONLY trigperf.%I IN ACCESS EXCLUSIVE MODE NOWAIT', part);
            EXECUTE look INTO newest USING last;
            IF trigperf.outbox_passed(s::smallint, newest) THEN
                UPDATE trigperf.outbox_slot o
                SET removed_max = GREATEST(o.removed_max, newest),
                    removed_snapshot = pg_current_snapshot(), truncated_at = clock_timestamp()
                WHERE o.slot = s;
                EXECUTE format('TRUNCATE ONLY trigperf.%I', part);
                truncated := truncated + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
    RETURN truncated;
END
$$;

-- Default privileges of whoever installs may have granted more.
REVOKE ALL ON SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
