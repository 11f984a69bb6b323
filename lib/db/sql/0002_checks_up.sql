-- Version 2: what no trigger sees. The notifier's context calls table_check_all() every few seconds.
--
-- A fingerprint holds what decides whether changes of a table are captured: its name, its columns, the
-- state of its capture triggers, and the same of everything beneath it. When it differs from the one
-- seen before, something may have changed unseen (a partition attached or detached, triggers disabled
-- for a while, a column rewritten, tables swapped, a dump restored): the table is resynced. Triggers
-- that a new partition or inheriting table lacks are created as its parent has them.
--
-- All of it runs every few seconds, so functions are plpgsql, which keeps plans for the length of a
-- session, because planning these statements costs many times what running them does; and ROWS keeps
-- the planner from looking at every table of the database to find a few.

-- The table itself and all that is beneath it, at any depth.
CREATE FUNCTION trigperf.table_family(p_root oid) RETURNS TABLE (relid oid, is_root boolean,
                                                                is_partition boolean)
LANGUAGE plpgsql STABLE ROWS 2 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE family(relid) AS (
        SELECT p_root
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid
        WHERE NOT i.inhdetachpending)
    SELECT f.relid, f.relid = p_root, c.relispartition
    FROM family f JOIN pg_class c ON c.oid = f.relid;
END
$$;

-- What a table demands of its rows, for those who check rows before they send them: its CHECKs and
-- rules, triggers that may change a row, and the domains and enums of its columns, each by the version
-- of its catalog row. Most tables have no such columns, and then nothing is looked up of types: there
-- are as many rows in pg_type as there are partitions.
CREATE FUNCTION trigperf.table_demands(p_relid oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    types oid[] := ARRAY(SELECT DISTINCT t.oid FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                         WHERE a.attrelid = p_relid AND a.attnum > 0 AND t.typtype IN ('d', 'e'));
    bases oid[] := types;
BEGIN
    WHILE bases <> '{}' LOOP
        bases := ARRAY(SELECT DISTINCT t.typbasetype FROM pg_type t WHERE t.oid = ANY (bases) AND t.typtype = 'd');
        types := types || bases;
    END LOOP;
    RETURN (
    WITH facts(fact) AS (
        SELECT 'c' || c.oid || ':' || c.xmin FROM pg_constraint c WHERE c.conrelid = p_relid AND c.contype = 'c'
        UNION ALL
        SELECT 'c' || c.oid || ':' || c.xmin FROM pg_constraint c WHERE types <> '{}' AND c.contypid = ANY (types)
        UNION ALL
        SELECT 'd' || t.oid || ':' || t.xmin FROM pg_type t
        WHERE types <> '{}' AND t.oid = ANY (types) AND t.typtype = 'd'
        UNION ALL
        SELECT 'e' || e.oid || ':' || e.xmin FROM pg_enum e WHERE types <> '{}' AND e.enumtypid = ANY (types)
        UNION ALL
        SELECT 't' || g.oid || ':' || g.xmin FROM pg_trigger g
        WHERE g.tgrelid = p_relid AND g.tgtype & 3 = 3 AND NOT g.tgisinternal
        UNION ALL
        SELECT 'r' || r.oid || ':' || r.xmin FROM pg_rewrite r WHERE r.ev_class = p_relid)
    SELECT string_agg(fact, ',' ORDER BY fact COLLATE "C") FROM facts);
END
$$;

-- Columns by the version of their catalog row: ALTER COLUMN .. TYPE .. USING rewrites values without
-- changing the type's name. Triggers and parents by theirs as well: those that were disabled and enabled
-- again, or partitions detached and attached again, between two looks are what they were before, though
-- what was done meanwhile was told to nobody. The table's file is left out, so that TRUNCATE (which is captured) and
-- VACUUM FULL (which changes nothing) do not count.
CREATE FUNCTION trigperf.table_fingerprint(p_root oid, p_function oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
    SELECT md5(COALESCE((SELECT concat_ws(' ', p.proowner, has_schema_privilege(p.proowner, 'trigperf', 'USAGE'),
                                 (SELECT string_agg(has_table_privilege(p.proowner, o.oid, 'INSERT')::text, ' '
                                                    ORDER BY o.oid)
                                  FROM pg_class o WHERE o.relnamespace = p.pronamespace
                                    AND o.relkind IN ('r', 'p') AND starts_with(o.relname, 'outbox')))
                FROM pg_proc p WHERE p.oid = p_function), '')
               || string_agg(concat_ws(' ', c.oid, n.nspname, c.relname, a.columns, t.triggers,
                                    h.parents, trigperf.table_demands(c.oid), EXISTS (SELECT FROM pg_subscription_rel s
                                            WHERE s.srrelid = c.oid)), E'\n' ORDER BY c.oid))
    FROM trigperf.table_family(p_root) f
    JOIN pg_class c ON c.oid = f.relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(':', a.attnum, a.attname, a.xmin, CASE WHEN a.attgenerated <> '' THEN
                              (SELECT d.oid FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END),
                          ',' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS a(columns)
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(':', g.tgname, g.tgenabled, g.xmin), ',' ORDER BY g.tgname)
        FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgfoid = p_function) AS t(triggers)
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(':', i.inhparent, i.xmin), ',' ORDER BY i.inhseqno)
        FROM pg_inherits i WHERE i.inhrelid = c.oid) AS h(parents));
END
$$;

-- Creates on p_relid the capture triggers that p_root has and it lacks; row triggers reach partitions
-- by themselves. Returns how many. The statement is made of the trigger's bits, not of its definition:
-- its name belongs to the table's owner, who could write SQL into it that would run with our rights.
CREATE FUNCTION trigperf.table_complete(p_id int, p_root oid, p_function oid, p_relid oid,
                                        p_is_partition boolean) RETURNS int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted  record;
    created int := 0;
    place   text := (SELECT format('%I.%I', n.nspname, c.relname)
                     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE c.oid = p_relid);
BEGIN
    FOR wanted IN
        SELECT CASE WHEN g.tgtype & 1 = 1 THEN 'row' ELSE lower(e.events) END AS kind, e.events,
               g.tgenabled = 'A' AS always,
               CASE WHEN g.tgtype & 1 = 1 THEN 'ROW' ELSE 'STATEMENT' END AS each,
               CASE WHEN COALESCE(g.tgoldtable, g.tgnewtable) IS NULL THEN ''
                    ELSE concat_ws(' ', 'REFERENCING',
                                   CASE WHEN g.tgoldtable IS NOT NULL THEN 'OLD TABLE AS tp_old' END,
                                   CASE WHEN g.tgnewtable IS NOT NULL THEN 'NEW TABLE AS tp_new' END)
               END AS tables
        FROM pg_trigger g
        CROSS JOIN LATERAL (
            SELECT concat_ws(' OR ', CASE WHEN g.tgtype & 4 <> 0 THEN 'INSERT' END,
                                     CASE WHEN g.tgtype & 16 <> 0 THEN 'UPDATE' END,
                                     CASE WHEN g.tgtype & 8 <> 0 THEN 'DELETE' END,
                                     CASE WHEN g.tgtype & 32 <> 0 THEN 'TRUNCATE' END)) AS e(events)
        WHERE g.tgrelid = p_root AND g.tgfoid = p_function AND g.tgtype & (2 | 64) = 0
          AND (g.tgtype & 1 = 0 OR NOT p_is_partition)
          AND NOT EXISTS (SELECT FROM pg_trigger h WHERE h.tgrelid = p_relid
                          AND h.tgfoid = p_function AND h.tgtype = g.tgtype)
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH %s EXECUTE FUNCTION trigperf.%I()',
                       'trigperf_capture_' || p_id || '_' || wanted.kind, wanted.events, place,
                       wanted.tables, wanted.each,
                       (SELECT p.proname FROM pg_proc p WHERE p.oid = p_function));
        IF wanted.always THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', place,
                           'trigperf_capture_' || p_id || '_' || wanted.kind);
        END IF;
        created := created + 1;
    END LOOP;
    RETURN created;
END
$$;

-- What went wrong while looking, once an hour for each table and message.
CREATE FUNCTION trigperf.check_failed(p_table trigperf.captured_table, p_message text, p_state text)
RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO trigperf.trigger_error_log (table_name, operation, error_message, sqlstate)
    SELECT q.name, 'check', p_message, p_state
    FROM (SELECT CASE WHEN p_table.id IS NULL THEN '*'
                      ELSE format('%I.%I', p_table.schema_name, p_table.table_name) END) AS q(name)
    WHERE NOT EXISTS (SELECT FROM trigperf.trigger_error_log e
                      WHERE e.operation = 'check' AND e.error_message = p_message
                        AND e.table_name = q.name
                        AND e.occurred_at > clock_timestamp() - interval '1 hour')
$$;

-- A session that has called the capture function keeps plans for the types that the columns had: after
-- ALTER COLUMN .. TYPE these fail, and its changes are told as a resync until it ends. Writing the
-- function's catalog row anew makes every session plan again.
CREATE FUNCTION trigperf.table_renew(p_table trigperf.captured_table) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER FUNCTION trigperf.%I() COST 100', p_table.function_name);
EXCEPTION WHEN insufficient_privilege OR undefined_function THEN
    PERFORM trigperf.check_failed(p_table, SQLERRM, SQLSTATE);
END
$$;

-- Tables without capture triggers have no function to renew, but readers that know the types of their columns;
-- wal_check_all() reports their state.
CREATE FUNCTION trigperf.table_check(p_table trigperf.captured_table) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    routine oid := (SELECT p.oid FROM pg_proc p
                    WHERE p.proname = p_table.function_name
                      AND p.pronamespace = 'trigperf'::regnamespace);
    has_triggers boolean := p_table.granularity <> 'wal';
    created int := 0;
    made    int;
    present text;
    relative record;
    verdict record;
BEGIN
    FOR relative IN SELECT * FROM trigperf.table_family(p_table.relid) f
                    WHERE has_triggers AND NOT f.is_root LOOP
        made := trigperf.table_complete(p_table.id, p_table.relid, routine, relative.relid,
                                        relative.is_partition);
        created := created + made;
        IF made > 0 AND NOT relative.is_partition
            AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = p_table.relid AND i.indisprimary)
        THEN
            PERFORM trigperf.check_failed(p_table, 'a table inherits from it since it was attached: '
                || 'attach it anew, lest rows of equal primary keys are paired with each other', NULL);
        END IF;
    END LOOP;
    present := COALESCE(trigperf.table_fingerprint(p_table.relid, routine), 'gone');
    IF present IS NOT DISTINCT FROM p_table.fingerprint THEN
        RETURN false;
    END IF;
    PERFORM trigperf.table_renew(p_table) WHERE has_triggers;
    UPDATE trigperf.captured_table SET fingerprint = present WHERE id = p_table.id;
    IF p_table.fingerprint IS NULL AND created = 0 THEN
        RETURN false;
    END IF;
    PERFORM trigperf.resync(p_table.id);
    PERFORM trigperf.registry_bump() WHERE NOT has_triggers;
    SELECT s.state, s.fix INTO verdict FROM trigperf.status_tables() s
    WHERE s.id = p_table.id AND (has_triggers OR s.state IN ('dropped', 'renamed'));
    IF verdict.state <> 'ok' THEN
        INSERT INTO trigperf.trigger_error_log (table_name, operation, error_message, error_context)
        VALUES (format('%I.%I', p_table.schema_name, p_table.table_name), 'check',
                'changes may not be captured: the table is ' || verdict.state, verdict.fix);
    END IF;
    RETURN true;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- Full isolation: a capture function that must never fail counts here what it could not write. A
-- sequence needs no space, and what was drawn stays drawn.

CREATE SEQUENCE trigperf.uncaptured;
COMMENT ON SEQUENCE trigperf.uncaptured IS
    'statements whose changes could not be written to the outbox (tables attached with full isolation)';

CREATE TABLE trigperf.uncaptured_seen (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    counted   bigint NOT NULL DEFAULT 0,
    waiting   xid8[] NOT NULL DEFAULT '{}',
    upto      xid8
);
COMMENT ON COLUMN trigperf.uncaptured_seen.waiting IS
    'transactions that ran when the count was seen to move: the uncaptured change may be theirs';
COMMENT ON COLUMN trigperf.uncaptured_seen.upto IS
    'so may it be of older transactions than this one, which that snapshot did not tell from later ones';
INSERT INTO trigperf.uncaptured_seen DEFAULT VALUES;

-- Resyncs the isolated tables when the count has moved: at once, because the change may be visible, and
-- again as each of the transactions that ran then ends, because it may not have been. A writer has a
-- transaction id before it counts, and ours is drawn after the count was read: so every writer that
-- was counted is older than ours, and in a snapshot taken after that it is either over, or listed, or
-- not before the snapshot's end. While the outbox cannot be written this fails as well, and the next
-- look finds everything as it was.
CREATE FUNCTION trigperf.uncaptured_check() RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen    trigperf.uncaptured_seen;
    total   bigint;
    bound   xid8;
    present pg_snapshot;
    running xid8[];
BEGIN
    SELECT * INTO STRICT seen FROM trigperf.uncaptured_seen;
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO STRICT total
    FROM trigperf.uncaptured s;
    IF total = seen.counted AND cardinality(seen.waiting) = 0 AND seen.upto IS NULL THEN
        RETURN false;
    END IF;
    bound := CASE WHEN total = seen.counted THEN seen.upto ELSE pg_current_xact_id() END;
    present := pg_current_snapshot();
    running := ARRAY(SELECT x FROM pg_snapshot_xip(present) AS x
                     WHERE x < bound OR x = ANY (seen.waiting));
    IF bound IS NULL AND cardinality(running) = cardinality(seen.waiting) THEN
        RETURN false;
    END IF;
    UPDATE trigperf.uncaptured_seen u
    SET counted = total, waiting = running,
        upto = CASE WHEN pg_snapshot_xmax(present) < bound THEN bound END;
    PERFORM trigperf.resync(c.id) FROM trigperf.captured_table c WHERE c.isolate = 'full';
    IF total <> seen.counted THEN
        INSERT INTO trigperf.trigger_error_log (table_name, operation, error_message, error_context)
        VALUES ('*', 'isolate', 'changes could not be written to the outbox: every table attached with '
                || 'full isolation was resynced', (total - seen.counted) || ' statements at most; the '
                || 'warnings in the server''s log say why');
    END IF;
    RETURN true;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- A fingerprint takes a good part of a millisecond for each partition, and most looks find what the last one
-- found. So a digest comes first: the versions of all catalog rows that it may depend on, and of some that
-- it does not. Only what has another digest than after the last look that left nothing to do is looked at.
-- Every hour counts as another digest.

-- What fingerprints depend on beside the tables: domains and enums of the database, rights of the
-- functions' owners.
CREATE FUNCTION trigperf.table_surroundings() RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
    WITH facts(fact) AS (
        SELECT ROW(t.oid, t.xmin) FROM pg_type t WHERE t.typtype = 'd'
        UNION ALL
        SELECT ROW(c.oid, c.xmin) FROM pg_constraint c WHERE c.contypid <> 0
        UNION ALL
        SELECT ROW(e.oid, e.xmin) FROM pg_enum e
        UNION ALL
        SELECT ROW(o.proowner, has_schema_privilege(o.proowner, 'trigperf', 'USAGE'),
                   ARRAY(SELECT has_table_privilege(o.proowner, r.oid, 'INSERT') FROM pg_class r
                         WHERE r.relnamespace = 'trigperf'::regnamespace AND r.relkind IN ('r', 'p')
                           AND starts_with(r.relname, 'outbox') ORDER BY r.oid)::text)
        FROM (SELECT DISTINCT p.proowner FROM trigperf.captured_table c
              JOIN pg_proc p ON p.proname = c.function_name
              WHERE p.pronamespace = 'trigperf'::regnamespace) AS o)
    SELECT COALESCE(sum(hash_record_extended(fact, 0)), 0) FROM facts);
END
$$;

-- The digest of each attached table.
CREATE FUNCTION trigperf.table_digests() RETURNS TABLE (id int, digest numeric)
LANGUAGE plpgsql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE family(id, relid) AS (
        SELECT c.id, c.relid::oid FROM trigperf.captured_table c
        UNION
        SELECT f.id, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.relid),
    facts(id, fact) AS (
        SELECT f.id, hash_record_extended(ROW(r.oid, r.xmin, n.xmin), 1)
        FROM family f JOIN pg_class r ON r.oid = f.relid JOIN pg_namespace n ON n.oid = r.relnamespace
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(i.inhrelid, i.inhparent, i.xmin), 2)
        FROM family f JOIN pg_inherits i ON i.inhparent = f.relid
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(a.attrelid, a.attnum, a.xmin), 3)
        FROM family f JOIN pg_attribute a ON a.attrelid = f.relid AND a.attnum > 0
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(d.oid, d.xmin), 4)
        FROM family f JOIN pg_attrdef d ON d.adrelid = f.relid
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(g.oid, g.xmin), 5)
        FROM family f JOIN pg_trigger g ON g.tgrelid = f.relid
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(c.oid, c.xmin), 6)
        FROM family f JOIN pg_constraint c ON c.conrelid = f.relid
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(i.indexrelid, i.xmin), 7)
        FROM family f JOIN pg_index i ON i.indrelid = f.relid
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(w.oid, w.xmin), 8)
        FROM family f JOIN pg_rewrite w ON w.ev_class = f.relid
        UNION ALL
        SELECT f.id, hash_record_extended(ROW(s.srsubid, s.srrelid), 9)
        FROM family f JOIN pg_subscription_rel s ON s.srrelid = f.relid
        UNION ALL
        SELECT c.id, hash_record_extended(ROW(p.oid, p.xmin), 10)
        FROM trigperf.captured_table c JOIN pg_proc p ON p.proname = c.function_name
        WHERE p.pronamespace = 'trigperf'::regnamespace),
    sums AS (SELECT f.id, sum(f.fact) AS sum FROM facts f GROUP BY f.id)
    SELECT c.id, COALESCE(s.sum, 0) + trigperf.table_surroundings()
                 + floor(extract(epoch FROM clock_timestamp()) / 3600 + c.id / 60.0)
    FROM trigperf.captured_table c LEFT JOIN sums s ON s.id = c.id;
END
$$;

-- Looks at every attached table whose digest is another one; returns how many were found changed. Never
-- waits long for a lock: a table that is in use is looked at the next time. What cannot be mended for lack
-- of rights is logged once an hour. Plans are made once for all tables: making one takes longer than to run
-- it, and compiling it longer still.
CREATE FUNCTION trigperf.table_check_all() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms'
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    due      record;
    attached trigperf.captured_table;
    changed  int := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612003) THEN
        RETURN 0;
    END IF;
    BEGIN
        PERFORM trigperf.wal_publish_generated();
        PERFORM trigperf.uncaptured_check();
    EXCEPTION WHEN OTHERS THEN
        PERFORM trigperf.check_failed(NULL, SQLERRM, SQLSTATE);
    END;
    FOR due IN SELECT d.id, d.digest FROM trigperf.table_digests() d
               JOIN trigperf.captured_table c ON c.id = d.id
               WHERE c.digest IS DISTINCT FROM d.digest OR c.fingerprint IS NULL ORDER BY d.id LOOP
        SELECT * INTO attached FROM trigperf.captured_table c WHERE c.id = due.id;
        CONTINUE WHEN NOT FOUND;
        BEGIN
            IF trigperf.table_check(attached) THEN
                changed := changed + 1;
            ELSE
                UPDATE trigperf.captured_table c SET digest = due.digest WHERE c.id = due.id;
            END IF;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                NULL;
            WHEN OTHERS THEN
                PERFORM trigperf.check_failed(attached, SQLERRM, SQLSTATE);
        END;
    END LOOP;
    RETURN changed;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
