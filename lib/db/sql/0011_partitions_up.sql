-- Version 11: the source wal for tables with partitions, and for those that others inherit from.
--
-- What is published are the tables that hold the rows, each with columns and row filter of its own, as
-- each has a replica identity of its own; their changes are told under the name of the attached table.
-- Partitioned tables themselves are not published. Through them, a partition made later would be published
-- before anybody looked at its replica identity, and the server might refuse the UPDATEs of its writers;
-- and with publish_via_partition_root nothing would tell of the TRUNCATE of a partition.

ALTER TABLE trigperf.captured_table ADD COLUMN filter_columns text[];
COMMENT ON COLUMN trigperf.captured_table.filter_columns IS
    'columns of row_filter, which a replica identity must hold';

CREATE TABLE trigperf.wal_member (
    table_id int NOT NULL REFERENCES trigperf.captured_table ON DELETE CASCADE,
    relid    oid NOT NULL,
    gone_at  timestamptz,
    PRIMARY KEY (table_id, relid)
);
COMMENT ON TABLE trigperf.wal_member IS
    'tables whose changes are told under the name of an attached one';
COMMENT ON COLUMN trigperf.wal_member.gone_at IS
    'when it was seen to belong to it no longer; log of before is still read by who is behind';

-- Columns that the row filter of a published table names.
CREATE FUNCTION trigperf.wal_filtered(p_relid oid) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT COALESCE(array_agg(DISTINCT a.attname::text), '{}')
        FROM pg_publication_rel p
        CROSS JOIN LATERAL regexp_matches(p.prqual::text, ':varattno ([0-9]+)', 'g') AS v(number)
        JOIN pg_attribute a ON a.attrelid = p.prrelid AND a.attnum = v.number[1]::int2
        WHERE p.prrelid = p_relid
          AND p.prpubid = (SELECT b.oid FROM pg_publication b WHERE b.pubname = 'trigperf'));
END
$$;

UPDATE trigperf.captured_table SET filter_columns = trigperf.wal_filtered(relid)
WHERE row_filter IS NOT NULL;
INSERT INTO trigperf.wal_member (table_id, relid)
SELECT c.id, c.relid FROM trigperf.captured_table c WHERE c.granularity = 'wal';

-- ---------------------------------------------------------------------------------------------
-- Looking. What follows runs every few seconds; see version 2 for why it is plpgsql.

-- The tables that hold the rows of attached ones, at any depth. teller: the attached table under whose
-- name its changes are told, which is the nearest, if there are several.
CREATE FUNCTION trigperf.wal_family() RETURNS TABLE (id int, relid oid, teller int)
LANGUAGE plpgsql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE family(id, relid, depth) AS (
        SELECT c.id, c.relid::oid, 0 FROM trigperf.captured_table c WHERE c.granularity = 'wal'
        UNION
        SELECT f.id, i.inhrelid, f.depth + 1
        FROM family f JOIN pg_inherits i ON i.inhparent = f.relid WHERE NOT i.inhdetachpending)
    SELECT f.id, f.relid, first_value(f.id) OVER (PARTITION BY f.relid ORDER BY f.depth, f.id)
    FROM (SELECT g.id, g.relid, min(g.depth) AS depth FROM family g GROUP BY g.id, g.relid) AS f
    JOIN pg_class r ON r.oid = f.relid
    WHERE r.relkind IN ('r', 'f') AND r.relpersistence <> 't';
END
$$;

-- The state of each of them:
--
--   foreign      its rows are on another server
--   unlogged     its changes are not written to the log
--   identity     the replica identity does not hold the keys, or the columns of the row filter, or is
--                not FULL where columns are watched: updates are told as resyncs; without any identity
--                the server would refuse them, and nothing is told
--   unpublished  it is not in the publication: nothing is told
--   columns      the publication's list of columns lacks some of the replica identity; or it has a row
--                filter that it should not have, or lacks one
--   overlap      it is told under the name of another attached table
--
-- refuses: the server refuses UPDATE and DELETE, for what the publication says; stale: so it does, or
-- the publication says other things than it should. mend: statements that
-- publish it as well as can be, once the publication does not hold it. A table without a replica identity
-- of its own choice gets that of the attached table, if this is FULL: partitions do not inherit it.
--
-- OFFSET 0 keeps what is computed once for a table from being computed at each place where it is named.
CREATE FUNCTION trigperf.wal_members() RETURNS TABLE (
    id int, relid oid, present text, known boolean, published boolean, refuses boolean, stale boolean,
    state text, mend text, fix text)
LANGUAGE plpgsql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT f.id, f.relid, q.place,
           f.id <> f.teller OR EXISTS (SELECT FROM trigperf.wal_member m
                                       WHERE m.table_id = f.id AND m.relid = f.relid AND m.gone_at IS NULL),
           q.published, w.refuses, w.refuses OR l.filtered, s.state, t.mend,
           CASE s.state
               WHEN 'foreign' THEN 'its changes are not in this server''s log: attach the others one by one'
               WHEN 'unlogged' THEN 'ALTER TABLE ' || q.place || ' SET LOGGED'
               WHEN 'identity' THEN 'ALTER TABLE ' || q.place || ' REPLICA IDENTITY FULL'
               WHEN 'unpublished' THEN t.mend || '; SELECT trigperf.resync(' || c.id || ')'
               WHEN 'columns' THEN 'detach it and attach it again'
               WHEN 'overlap' THEN 'trigperf detach ' || (SELECT format('%I.%I', d.schema_name, d.table_name)
                                                          FROM trigperf.captured_table d
                                                          WHERE d.id = f.teller)
           END
    FROM trigperf.wal_family() f
    JOIN trigperf.captured_table c ON c.id = f.id
    JOIN pg_class r ON r.oid = f.relid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN pg_class top ON top.oid = c.relid AND top.oid <> r.oid
    LEFT JOIN (SELECT * FROM pg_publication_rel x
               WHERE x.prpubid = (SELECT b.oid FROM pg_publication b WHERE b.pubname = 'trigperf'))
         AS p ON p.prrelid = f.relid
    CROSS JOIN LATERAL (
        SELECT quote_ident(n.nspname) || '.' || quote_ident(r.relname), p.prrelid IS NOT NULL,
               r.relkind = 'r' AND r.relpersistence = 'p',
               r.relreplident = 'd' AND COALESCE(top.relreplident = 'f', false),
               trigperf.wal_identity(f.relid)
        OFFSET 0) AS q(place, published, logged, follows, identity)
    CROSS JOIN LATERAL (
        SELECT c.key_columns <@ q.identity AND (c.watch = '{}' OR r.relreplident = 'f'),
               COALESCE(c.filter_columns, '{}') <@ q.identity
        OFFSET 0) AS i(keys, filter)
    CROSS JOIN LATERAL (
        SELECT p.prattrs IS NOT NULL AND (r.relreplident = 'f' OR EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = f.relid AND a.attname = ANY (q.identity)
              AND a.attnum <> ALL (p.prattrs::int2[]))),
               q.published AND i.filter AND (p.prqual IS NULL) <> (c.row_filter IS NULL)
        OFFSET 0) AS l(lacking, filtered)
    CROSS JOIN LATERAL (
        SELECT q.published AND (l.lacking OR q.identity = '{}'
                                OR (p.prqual IS NOT NULL
                                    AND NOT trigperf.wal_filtered(f.relid) <@ q.identity))
        OFFSET 0) AS w(refuses)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN f.id <> f.teller THEN 'overlap'
                    WHEN r.relkind = 'f' THEN 'foreign'
                    WHEN NOT q.logged THEN 'unlogged'
                    WHEN NOT i.keys OR NOT i.filter THEN 'identity'
                    WHEN NOT q.published THEN 'unpublished'
                    WHEN l.lacking OR l.filtered THEN 'columns'
                    ELSE 'ok' END
        OFFSET 0) AS s(state)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.state = 'identity' AND q.follows
                    THEN 'ALTER TABLE ' || q.place || ' REPLICA IDENTITY FULL' END
        OFFSET 0) AS u(follow)
    CROSS JOIN LATERAL (
        SELECT concat_ws('; ', u.follow,
                         CASE WHEN NOT q.published OR w.refuses OR l.filtered THEN
                              concat('LOCK TABLE ONLY ', q.place, ' IN SHARE ROW EXCLUSIVE MODE; ',
                                     'ALTER PUBLICATION trigperf ADD TABLE ONLY ', q.place,
                                     CASE WHEN u.follow IS NULL AND r.relreplident <> 'f' AND i.keys THEN
                                          (SELECT ' (' || string_agg(quote_ident(x), ', ') || ')'
                                           FROM unnest(q.identity) AS x) END,
                                     CASE WHEN u.follow IS NOT NULL OR i.filter THEN
                                          ' WHERE (' || c.row_filter || ')' END) END)
        WHERE q.logged AND s.state NOT IN ('ok', 'overlap')
          AND (u.follow IS NOT NULL OR (q.identity <> '{}' AND (NOT q.published OR w.refuses OR l.filtered)))
        UNION ALL SELECT NULL LIMIT 1) AS t(mend);
END
$$;

-- The state of each attached table: that of its worst part.
CREATE OR REPLACE FUNCTION trigperf.wal_tables() RETURNS TABLE (
    id int, relid oid, present text, identity text[], published boolean, refuses boolean, state text,
    fix text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT c.id, r.oid, quote_ident(n.nspname) || '.' || quote_ident(r.relname),
           trigperf.wal_identity(r.oid), COALESCE(g.published, true), COALESCE(g.refuses, false),
           COALESCE(g.state, 'ok'), g.fix
    FROM trigperf.captured_table c
    JOIN pg_class r ON r.oid = c.relid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN (
        SELECT m.id, bool_and(m.published) AS published, bool_or(m.refuses) AS refuses,
               (array_agg(m.state ORDER BY array_position(
                    ARRAY['identity', 'foreign', 'unlogged', 'columns', 'unpublished', 'overlap', 'ok'],
                    m.state)))[1] AS state,
               NULLIF(array_to_string((array_agg(m.fix ORDER BY m.relid)
                                       FILTER (WHERE m.fix IS NOT NULL))[1:10], '; '), '') AS fix
        FROM trigperf.wal_members() m GROUP BY m.id) AS g ON g.id = c.id
    WHERE c.granularity = 'wal';
END
$$;

-- One row for each table that holds rows, and one for the attached table itself.
CREATE OR REPLACE FUNCTION trigperf.wal_specs() RETURNS TABLE (
    id int, relid oid, keys text[], forms text[], watch text[], max_keys int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH attached AS MATERIALIZED (
        SELECT c.*, ARRAY(
                   WITH RECURSIVE under(place, oid, typtype, typbasetype) AS (
                       SELECT k.place, t.oid, t.typtype, t.typbasetype
                       FROM unnest(c.key_columns) WITH ORDINALITY AS k(name, place)
                       LEFT JOIN pg_attribute a ON a.attrelid = c.relid AND a.attname = k.name
                       LEFT JOIN pg_type t ON t.oid = a.atttypid
                       UNION ALL
                       SELECT u.place, t.oid, t.typtype, t.typbasetype
                       FROM under u JOIN pg_type t ON t.oid = u.typbasetype WHERE u.typtype = 'd')
                   SELECT CASE u.oid WHEN 16 THEN 'bool' WHEN 1042 THEN 'blanks' WHEN 869 THEN 'inet'
                                     ELSE 'plain' END
                   FROM under u WHERE u.typtype IS DISTINCT FROM 'd' ORDER BY u.place) AS forms
        FROM trigperf.captured_table c WHERE c.granularity = 'wal'),
    parts AS (
        SELECT DISTINCT ON (p.relid) p.relid, p.id
        FROM (SELECT c.relid::oid, c.id, 'infinity'::timestamptz FROM attached c
              UNION ALL
              SELECT m.relid, m.table_id, COALESCE(m.gone_at, clock_timestamp())
              FROM trigperf.wal_member m) AS p(relid, id, until)
        ORDER BY p.relid, p.until DESC, p.id)
    SELECT c.id, p.relid, c.key_columns, c.forms, c.watch, c.max_keys
    FROM attached c JOIN parts p ON p.id = c.id ORDER BY p.relid
$$;

-- ---------------------------------------------------------------------------------------------
-- Attaching, and watching afterwards

DROP FUNCTION trigperf.wal_publish(int);

-- Ends an attempt to attach what could not be told, or whose writers the server would refuse.
CREATE OR REPLACE FUNCTION trigperf.wal_assert(p_id int) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    poor record;
BEGIN
    SELECT m.present, m.fix INTO poor FROM trigperf.wal_members() m
    WHERE m.id = p_id AND m.state <> 'ok' ORDER BY m.relid LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the replica identity of % does not hold all columns of its keys or row filter',
            poor.present USING HINT = poor.fix, ERRCODE = 'feature_not_supported';
    END IF;
END
$$;

-- The end of attaching: notes what there is, so that a later difference is found.
CREATE FUNCTION trigperf.wal_enrol(p_id int) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO trigperf.wal_member (table_id, relid)
    SELECT f.id, f.relid FROM trigperf.wal_family() f WHERE f.id = p_id AND f.teller = p_id;
    UPDATE trigperf.captured_table c
    SET filter_columns = (SELECT trigperf.wal_filtered(m.relid) FROM trigperf.wal_member m
                          WHERE m.table_id = p_id ORDER BY m.relid LIMIT 1)
    WHERE c.id = p_id AND c.row_filter IS NOT NULL;
    PERFORM trigperf.wal_assert(p_id);
END
$$;

-- Runs statements; false when that failed. A table that is in use is tried again with the next look,
-- anything else is logged.
CREATE FUNCTION trigperf.wal_attempt(p_id int, p_statements text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE p_statements;
    RETURN true;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN
        RETURN false;
    WHEN OTHERS THEN
        PERFORM trigperf.check_failed(c, SQLERRM, SQLSTATE) FROM trigperf.captured_table c WHERE c.id = p_id;
        RETURN false;
END
$$;

-- Tables that do not belong to attached ones any more (a partition was detached or dropped) leave the
-- publication. Returns the attached tables.
CREATE FUNCTION trigperf.wal_dismiss() RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone record;
BEGIN
    FOR gone IN
        SELECT m.table_id, m.relid, 'ALTER PUBLICATION trigperf DROP TABLE ONLY '
               || (SELECT format('%I.%I', n.nspname, r.relname)
                   FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
                   JOIN pg_publication_rel p ON p.prrelid = r.oid
                   JOIN pg_publication b ON b.oid = p.prpubid AND b.pubname = 'trigperf'
                   WHERE r.oid = m.relid AND NOT EXISTS (SELECT FROM trigperf.wal_family() o
                                                         WHERE o.relid = r.oid)) AS withdraw
        FROM trigperf.wal_member m
        LEFT JOIN trigperf.wal_family() f ON f.teller = m.table_id AND f.relid = m.relid
        WHERE m.gone_at IS NULL AND f.relid IS NULL
    LOOP
        CONTINUE WHEN gone.withdraw IS NOT NULL AND NOT trigperf.wal_attempt(gone.table_id, gone.withdraw);
        UPDATE trigperf.wal_member m SET gone_at = clock_timestamp()
        WHERE m.table_id = gone.table_id AND m.relid = gone.relid;
        RETURN NEXT gone.table_id;
    END LOOP;
    DELETE FROM trigperf.wal_member m WHERE m.gone_at < clock_timestamp() - interval '1 day';
END
$$;

-- What cannot be told as it should be, once an hour for each attached table.
CREATE FUNCTION trigperf.wal_report(p_id int, p_part text, p_state text, p_fix text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO trigperf.trigger_error_log (table_name, operation, error_message, error_context)
    SELECT q.name, 'check', 'changes are not told key by key: the state of ' || p_part || ' is ' || p_state, p_fix
    FROM (SELECT format('%I.%I', c.schema_name, c.table_name)
          FROM trigperf.captured_table c WHERE c.id = p_id) AS q(name)
    WHERE NOT EXISTS (SELECT FROM trigperf.trigger_error_log e
                      WHERE e.operation = 'check' AND e.table_name = q.name
                        AND starts_with(e.error_message, 'changes are not told key by key')
                        AND e.occurred_at > clock_timestamp() - interval '1 hour')
$$;

-- Tables that came, or whose replica identity is another one: those whose writers the server would refuse
-- leave the publication at once, those that can be told come into it. Returns the attached tables.
CREATE FUNCTION trigperf.wal_adjust() RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other   record;
    done    boolean;
    settled boolean;
BEGIN
    FOR other IN SELECT * FROM trigperf.wal_members() m
                 WHERE NOT m.known OR m.stale OR m.state <> 'ok' LOOP
        PERFORM trigperf.wal_report(other.id, other.present, other.state, other.fix)
        WHERE other.state <> 'ok' AND other.mend IS NULL;
        done := other.stale AND trigperf.wal_attempt(
            other.id, 'ALTER PUBLICATION trigperf DROP TABLE ONLY ' || other.present);
        CONTINUE WHEN other.stale AND NOT done;
        settled := CASE WHEN other.mend IS NULL THEN NOT other.known
                        ELSE trigperf.wal_attempt(other.id, other.mend) END;
        IF settled THEN
            INSERT INTO trigperf.wal_member AS m (table_id, relid) VALUES (other.id, other.relid)
            ON CONFLICT (table_id, relid) DO UPDATE SET gone_at = NULL;
        END IF;
        IF done OR settled THEN
            RETURN NEXT other.id;
        END IF;
    END LOOP;
END
$$;

-- Somebody may have had the publication leave out what is needed. Returns the attached tables.
CREATE FUNCTION trigperf.wal_operations() RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf'
               AND NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate)) THEN
        ALTER PUBLICATION trigperf SET (publish = 'insert, update, delete, truncate');
        RETURN QUERY SELECT c.id FROM trigperf.captured_table c WHERE c.granularity = 'wal';
    END IF;
END
$$;

-- Watches over members and replica identities; returns how many attached tables were found changed, which
-- are resynced. From version 18 on the server does not fail for a publication that is gone, and tells nothing.
CREATE OR REPLACE FUNCTION trigperf.wal_check_all() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    changed int[] := '{}';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf') THEN
        RAISE EXCEPTION 'expected the publication trigperf, it was dropped' USING ERRCODE = 'undefined_object',
            HINT = 'run CREATE PUBLICATION trigperf; then attach again what is to be followed';
    ELSIF NOT pg_try_advisory_xact_lock(7460391845612004) THEN
        RETURN 0;
    END IF;
    BEGIN
        changed := ARRAY(SELECT trigperf.wal_operations() UNION SELECT trigperf.wal_dismiss()
                         UNION SELECT trigperf.wal_adjust());
        PERFORM trigperf.resync(x) FROM unnest(changed) AS x;
        PERFORM trigperf.registry_bump() WHERE changed <> '{}';
    EXCEPTION
        WHEN lock_not_available OR deadlock_detected THEN
            changed := '{}';
        WHEN OTHERS THEN
            changed := '{}';
            PERFORM trigperf.check_failed(NULL, SQLERRM, SQLSTATE);
    END;
    RETURN cardinality(changed);
END
$$;

-- Tables without capture triggers have no function to renew, and wal_check_all() reports their state.
CREATE OR REPLACE FUNCTION trigperf.table_check(p_table trigperf.captured_table) RETURNS boolean
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

REVOKE ALL ON TABLE trigperf.wal_member FROM PUBLIC;
REVOKE ALL ON FUNCTION trigperf.wal_filtered(oid), trigperf.wal_family(), trigperf.wal_members(),
    trigperf.wal_enrol(int), trigperf.wal_attempt(int, text), trigperf.wal_dismiss(),
    trigperf.wal_report(int, text, text, text), trigperf.wal_operations(),
    trigperf.wal_adjust() FROM PUBLIC;
