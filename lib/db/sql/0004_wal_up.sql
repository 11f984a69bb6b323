-- Version 4: the source wal. Tables attached with granularity wal have no triggers: they stand in the
-- publication trigperf, and their changes are read from the write-ahead log through replication slots.
--
-- What is published are the tables that hold the rows, each with columns and row filter of its own, as
-- each has a replica identity of its own; those with partitions, and those that others inherit from, are
-- told under the name of the attached table. Partitioned tables themselves are not published. Through them,
-- a partition made later would be published before anybody looked at its replica identity, and the server
-- might refuse the UPDATEs of its writers; and with publish_via_partition_root nothing would tell of the
-- TRUNCATE of a partition.
--
-- The publication is made here, empty, and not with the first table: a slot decodes with the catalogs
-- of its own time, and fails for a publication that was not there yet.
--
-- A server with another wal_level warns that nothing will be published; that is said to whoever asks for
-- source = wal.
DO $$
DECLARE
    level text := pg_catalog.current_setting('client_min_messages');
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE p.pubname OPERATOR(pg_catalog.=) 'trigperf') THEN
        RAISE EXCEPTION 'a publication trigperf is there already' USING ERRCODE = 'duplicate_object', HINT =
            'a schema that was dropped by hand leaves it: DROP PUBLICATION trigperf; if it is yours, ALTER PUBLICATION trigperf RENAME TO ..';
    END IF;
    PERFORM pg_catalog.set_config('client_min_messages', 'error', true);
    CREATE PUBLICATION trigperf WITH (publish = 'insert, update, delete, truncate');
    PERFORM pg_catalog.set_config('client_min_messages', level, true);
END
$$;

INSERT INTO trigperf.setting (name, value) VALUES
    ('wal.alert_bytes', '1073741824'),
    ('wal.max_bytes', '0');

-- Lets stored generated columns be published where the server can. One that was brought to version 18
-- by pg_upgrade has the publication of before.
CREATE FUNCTION trigperf.wal_publish_generated() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication p
               WHERE p.pubname = 'trigperf' AND to_jsonb(p) ->> 'pubgencols' = 'n') THEN
        ALTER PUBLICATION trigperf SET (publish_generated_columns = stored);
    END IF;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN
        NULL;
    WHEN OTHERS THEN
        PERFORM trigperf.check_failed(NULL, SQLERRM, SQLSTATE);
END
$$;

SELECT trigperf.wal_publish_generated();

-- ---------------------------------------------------------------------------------------------
-- Tables. What follows runs every few seconds; see version 2 for why it is plpgsql.

CREATE TABLE trigperf.wal_member (
    table_id int NOT NULL REFERENCES trigperf.captured_table ON DELETE CASCADE,
    relid    oid NOT NULL,
    gone_at  timestamptz,
    row_filter text,
    entry    text,
    seen     text,
    seen_at  timestamptz,
    PRIMARY KEY (table_id, relid)
);
COMMENT ON TABLE trigperf.wal_member IS
    'tables whose changes are told under the name of an attached one';
COMMENT ON COLUMN trigperf.wal_member.gone_at IS
    'when it was seen to belong to it no longer; log of before is still read by who is behind';

COMMENT ON COLUMN trigperf.wal_member.row_filter IS
    'the row filter that it was published with, as the server writes it';
COMMENT ON COLUMN trigperf.wal_member.entry IS
    'its row in the publication, by version: another one means that it was out of it for a while';
COMMENT ON COLUMN trigperf.wal_member.seen IS
    'while it is not published: what tells whether it was written to since';

-- The columns that the log tells of an old row; none where the server would refuse to write it: it refuses
-- UPDATE and DELETE of a published table whose replica identity has a generated column that is not
-- published. An index may have one, and the publication's list of columns leaves it out. With REPLICA
-- IDENTITY FULL all columns belong to the identity, and since PostgreSQL 18 generated ones count: stored
-- ones can be published there, virtual ones cannot.
CREATE FUNCTION trigperf.wal_identity(p_relid oid) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT CASE WHEN bool_or(CASE WHEN c.relreplident <> 'f' THEN a.attgenerated <> ''
                                      WHEN a.attgenerated = 's' THEN
                                          (SELECT to_jsonb(p) ->> 'pubgencols' = 'n'
                                           FROM pg_publication p WHERE p.pubname = 'trigperf')
                                      ELSE a.attgenerated = 'v' END) THEN '{}'
                    ELSE COALESCE(array_agg(a.attname::text ORDER BY a.attnum)
                                  FILTER (WHERE a.attgenerated = ''), '{}') END
        FROM pg_class c
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid
                            AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate
                                                    WHEN 'i' THEN i.indisreplident ELSE false END
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                           AND (c.relreplident = 'f' OR a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
        WHERE c.oid = p_relid);
END
$$;

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

-- A table's row in the publication, by version; null where there is none.
CREATE FUNCTION trigperf.wal_entry(p_relid oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT concat(p.oid, ' ', p.xmin) FROM pg_publication_rel p
            WHERE p.prrelid = p_relid
              AND p.prpubid = (SELECT b.oid FROM pg_publication b WHERE b.pubname = 'trigperf'));
END
$$;

-- The row filter of a published table as the server writes it, for whoever asks.
CREATE FUNCTION trigperf.wal_row_filter(p_relid oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres' SET timezone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1
SET lc_monetary = 'C' SET quote_all_identifiers = off AS $$
BEGIN
    RETURN (SELECT pg_get_expr(p.prqual, p.prrelid) FROM pg_publication_rel p
            WHERE p.prrelid = p_relid
              AND p.prpubid = (SELECT b.oid FROM pg_publication b WHERE b.pubname = 'trigperf'));
END
$$;

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
--   refused      the server refuses UPDATE and DELETE of it: it is published, without a replica identity, or
--                with a list of columns or a row filter that does not fit its identity
--   untold       it has no replica identity, and so cannot be published
--   unpublished  it is not in the publication
--   lacking      a column that it was attached with is gone, or generated now: told as resyncs if it is a key,
--                and more than was asked for otherwise
--   identity     the replica identity does not hold the keys, or the columns of the row filter, or is
--                not FULL where columns are watched: told as resyncs, or more than was asked for
--   filter       it was published with another row filter
--   overlap      it is told under the name of another attached table
--
-- What is not published is told by resyncs, see wal_moved(). refuses: the server refuses UPDATE and DELETE, for
-- what the publication says; stale: so it does, or the publication says other things than it should. mend:
-- statements that publish it as well as can be, once the publication does not hold it. A table without a replica identity
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
           f.id <> f.teller OR k.relid IS NOT NULL, q.published, w.refuses,
           f.id = f.teller AND (w.refuses OR l.filtered), s.state, t.mend,
           CASE s.state
               WHEN 'foreign' THEN 'its changes are not in this server''s log: attach the others one by one'
               WHEN 'unlogged' THEN 'ALTER TABLE ' || q.place || ' SET LOGGED'
               WHEN 'refused' THEN 'BEGIN; ALTER PUBLICATION trigperf DROP TABLE ONLY ' || q.place || '; '
                                   || COALESCE(y.publish, h.heal) || '; COMMIT'
               WHEN 'untold' THEN h.heal
               WHEN 'unpublished' THEN 'BEGIN; ' || y.publish || '; COMMIT'
               WHEN 'lacking' THEN 'gone or generated now: ' || g.gone || '. Detach it and attach it with the '
                                   || 'columns that it has, or trigperf apply a file that names them'
               WHEN 'identity' THEN h.heal
               WHEN 'filter' THEN 'BEGIN; ALTER PUBLICATION trigperf DROP TABLE ONLY ' || q.place || '; '
                                  || y.publish || '; COMMIT'
               WHEN 'overlap' THEN 'trigperf detach ' || (SELECT format('%I.%I', d.schema_name, d.table_name)
                                                          FROM trigperf.captured_table d
                                                          WHERE d.id = f.teller)
           END
    FROM trigperf.wal_family() f
    JOIN trigperf.captured_table c ON c.id = f.id
    JOIN pg_class r ON r.oid = f.relid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN trigperf.wal_member k ON k.table_id = f.id AND k.relid = f.relid AND k.gone_at IS NULL
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
               q.published AND CASE WHEN c.row_filter IS NULL OR NOT i.filter THEN p.prqual IS NOT NULL
                                    ELSE p.prqual IS NULL
                                      OR trigperf.wal_row_filter(f.relid) IS DISTINCT FROM k.row_filter END
        OFFSET 0) AS l(lacking, filtered)
    CROSS JOIN LATERAL (
        SELECT string_agg(DISTINCT quote_ident(x), ', ')
        FROM unnest(c.key_columns || c.watch || COALESCE(c.filter_columns, '{}')) AS x
        WHERE x <> ALL (q.identity)
          AND NOT EXISTS (SELECT FROM pg_attribute a
                          WHERE a.attrelid = f.relid AND a.attname = x AND a.attnum > 0
                            AND NOT a.attisdropped AND a.attgenerated = '')) AS g(gone)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.relreplident <> 'f' THEN 'ALTER TABLE ' || q.place || ' REPLICA IDENTITY FULL'
                    WHEN EXISTS (SELECT FROM pg_index x
                                 WHERE x.indrelid = f.relid AND x.indisprimary AND x.indimmediate)
                    THEN 'ALTER TABLE ' || q.place || ' REPLICA IDENTITY DEFAULT'
                    ELSE 'detach it, and attach it with another granularity' END) AS h(heal)
    CROSS JOIN LATERAL (
        SELECT q.published AND (l.lacking OR q.identity = '{}'
                                OR (p.prqual IS NOT NULL
                                    AND NOT trigperf.wal_filtered(f.relid) <@ q.identity))
        OFFSET 0) AS w(refuses)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN f.id <> f.teller THEN 'overlap'
                    WHEN r.relkind = 'f' THEN 'foreign'
                    WHEN NOT q.logged THEN 'unlogged'
                    WHEN w.refuses THEN 'refused'
                    WHEN q.identity = '{}' THEN 'untold'
                    WHEN NOT q.published THEN 'unpublished'
                    WHEN g.gone IS NOT NULL THEN 'lacking'
                    WHEN NOT i.keys OR NOT i.filter THEN 'identity'
                    WHEN l.filtered THEN 'filter'
                    ELSE 'ok' END
        OFFSET 0) AS s(state)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN q.follows AND NOT (i.keys AND i.filter)
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
        UNION ALL SELECT NULL LIMIT 1) AS t(mend)
    CROSS JOIN LATERAL (SELECT t.mend || '; SELECT trigperf.resync(' || c.id || ')') AS y(publish);
END
$$;

-- The state of each attached table: that of its worst part.
CREATE FUNCTION trigperf.wal_tables() RETURNS TABLE (
    id int, relid oid, present text, identity text[], published boolean, stale boolean, state text,
    fix text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT c.id, r.oid, quote_ident(n.nspname) || '.' || quote_ident(r.relname),
           trigperf.wal_identity(r.oid), COALESCE(g.published, true), COALESCE(g.stale, false),
           COALESCE(g.state, 'ok'), g.fix
    FROM trigperf.captured_table c
    JOIN pg_class r ON r.oid = c.relid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN (
        SELECT m.id, bool_and(m.published) AS published, bool_or(m.stale) AS stale,
               (array_agg(m.state ORDER BY array_position(
                    ARRAY['refused', 'untold', 'foreign', 'unlogged', 'unpublished', 'lacking', 'identity',
                          'filter', 'overlap', 'ok'], m.state)))[1] AS state,
               NULLIF(array_to_string((array_agg(m.fix ORDER BY m.relid)
                                       FILTER (WHERE m.fix IS NOT NULL))[1:10], '; '), '') AS fix
        FROM trigperf.wal_members() m GROUP BY m.id) AS g ON g.id = c.id
    WHERE c.granularity = 'wal';
END
$$;

-- What a reader needs to know of each table: keys in the order of the registry, and how the server's
-- output of their types becomes the text of a key, which nobody can say of a type that has a cast to text of
-- its own. One row for each table that holds rows, and one for the attached table itself.
CREATE FUNCTION trigperf.wal_specs() RETURNS TABLE (
    id int, relid oid, keys text[], forms text[], watch text[], max_keys int, types oid[])
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
                   SELECT CASE WHEN EXISTS (SELECT FROM pg_cast x WHERE x.castsource = u.oid
                                            AND x.oid >= 16384 AND x.casttarget = 'text'::regtype
                                            AND x.castfunc <> 0) THEN 'unknown'
                               ELSE CASE u.oid WHEN 16 THEN 'bool' WHEN 1042 THEN 'blanks' WHEN 869 THEN 'inet'
                                               ELSE 'plain' END END
                   FROM under u WHERE u.typtype IS DISTINCT FROM 'd' ORDER BY u.place) AS forms,
               ARRAY(SELECT COALESCE(a.atttypid, 0::oid) FROM unnest(c.key_columns) WITH ORDINALITY AS k(name, place)
                     LEFT JOIN pg_attribute a ON a.attrelid = c.relid AND a.attname = k.name
                     ORDER BY k.place) AS types
        FROM trigperf.captured_table c WHERE c.granularity = 'wal'),
    parts AS (
        SELECT DISTINCT ON (p.relid) p.relid, p.id
        FROM (SELECT c.relid::oid, c.id, 'infinity'::timestamptz FROM attached c
              UNION ALL
              SELECT m.relid, m.table_id, COALESCE(m.gone_at, clock_timestamp())
              FROM trigperf.wal_member m) AS p(relid, id, until)
        ORDER BY p.relid, p.until DESC, p.id)
    SELECT c.id, p.relid, c.key_columns, c.forms, c.watch, c.max_keys, c.types
    FROM attached c JOIN parts p ON p.id = c.id ORDER BY p.relid
$$;

-- ---------------------------------------------------------------------------------------------
-- Attaching, and watching afterwards

-- Ends an attempt to attach what could not be told, or whose writers the server would refuse.
CREATE FUNCTION trigperf.wal_assert(p_id int) RETURNS void
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
    INSERT INTO trigperf.wal_member (table_id, relid, row_filter, entry)
    SELECT f.id, f.relid, trigperf.wal_row_filter(f.relid), trigperf.wal_entry(f.relid)
    FROM trigperf.wal_family() f WHERE f.id = p_id AND f.teller = p_id;
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
        PERFORM trigperf.check_failed((SELECT c FROM trigperf.captured_table c WHERE c.id = p_id), SQLERRM,
                                      SQLSTATE);
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

-- Whether a table that is not published may have been written to since that was asked last, every three seconds
-- at most. The server's counters tell, which it brings up to date some seconds after a commit, and the file,
-- which is another one after TRUNCATE. Where the server does not count, and of foreign tables, nobody knows.
CREATE FUNCTION trigperf.wal_moved(p_id int, p_relid oid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present text := (SELECT concat_ws(' ', c.relfilenode, pg_stat_get_tuples_inserted(c.oid),
                                      pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid))
                     FROM pg_class c
                     WHERE c.oid = p_relid AND c.relkind = 'r' AND current_setting('track_counts')::boolean);
BEGIN
    UPDATE trigperf.wal_member m SET seen = present, seen_at = clock_timestamp()
    WHERE m.table_id = p_id AND m.relid = p_relid AND (present = m.seen) IS NOT TRUE
      AND (m.seen_at BETWEEN clock_timestamp() - interval '3 seconds' AND clock_timestamp()) IS NOT TRUE
      AND NOT EXISTS (SELECT FROM pg_publication_rel p JOIN pg_publication b ON b.oid = p.prpubid
                      WHERE b.pubname = 'trigperf' AND p.prrelid = p_relid);
    RETURN FOUND;
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
-- leave the publication at once, those that can be told come into it, and what cannot be told is resynced when
-- it may have changed. Returns the attached tables.
CREATE FUNCTION trigperf.wal_adjust() RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other   record;
    done    boolean;
    settled boolean;
    moved   boolean;
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
            INSERT INTO trigperf.wal_member AS m (table_id, relid, row_filter, entry)
            VALUES (other.id, other.relid, trigperf.wal_row_filter(other.relid), trigperf.wal_entry(other.relid))
            ON CONFLICT (table_id, relid) DO UPDATE
                SET gone_at = NULL, row_filter = excluded.row_filter, entry = excluded.entry;
        END IF;
        moved := trigperf.wal_moved(other.id, other.relid);
        IF done OR settled OR moved THEN
            RETURN NEXT other.id;
        END IF;
    END LOOP;
END
$$;

-- Tables that somebody took out of the publication and put in again before anybody looked: what was written to
-- them meanwhile was told to nobody. Returns the attached tables.
CREATE FUNCTION trigperf.wal_readmitted() RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    UPDATE trigperf.wal_member m SET entry = e.entry
    FROM (SELECT k.table_id, k.relid, trigperf.wal_entry(k.relid) FROM trigperf.wal_member k
          WHERE k.gone_at IS NULL) AS e(table_id, relid, entry)
    WHERE m.table_id = e.table_id AND m.relid = e.relid AND e.entry <> COALESCE(m.entry, '')
    RETURNING m.table_id;
END
$$;

-- What does not belong into the publication: tables that hold no rows of attached ones, partitioned ones among
-- them, and schemas; but not what wal_dismiss() finds.
CREATE FUNCTION trigperf.wal_strangers() RETURNS TABLE (present text, withdraw text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT q.place, 'ALTER PUBLICATION trigperf DROP ' || q.kind || q.place
    FROM (SELECT p.prpubid, quote_ident(n.nspname) || '.' || quote_ident(r.relname), 'TABLE ONLY '
          FROM pg_publication_rel p
          JOIN pg_class r ON r.oid = p.prrelid
          JOIN pg_namespace n ON n.oid = r.relnamespace
          WHERE NOT EXISTS (SELECT FROM trigperf.wal_family() f WHERE f.relid = p.prrelid)
            AND NOT EXISTS (SELECT FROM trigperf.wal_member m WHERE m.relid = p.prrelid AND m.gone_at IS NULL)
          UNION ALL
          SELECT s.pnpubid, quote_ident(n.nspname), 'TABLES IN SCHEMA '
          FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid) AS q(publication, place, kind)
    WHERE q.publication = (SELECT b.oid FROM pg_publication b WHERE b.pubname = 'trigperf');
END
$$;

CREATE TABLE trigperf.wal_look (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    began_at  timestamptz NOT NULL DEFAULT '-infinity',
    digest    text,
    publication text
);
COMMENT ON TABLE trigperf.wal_look IS
    'when wal_watch() looked last, and what wal_check_all() depends on, as of a look that left nothing to do';
COMMENT ON COLUMN trigperf.wal_look.publication IS
    'the publication''s own catalog row, by version, as of the last look; null before the first one';
INSERT INTO trigperf.wal_look DEFAULT VALUES;

-- Somebody may have had the publication leave out what is needed, or tell it under the name of another table,
-- which leaves out the TRUNCATE of a partition; also for a while only, which the version of its catalog row tells.
-- Returns the attached tables.
CREATE FUNCTION trigperf.wal_operations() RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former  text := (SELECT l.publication FROM trigperf.wal_look l);
    present text;
BEGIN
    IF EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf'
               AND (p.pubviaroot OR NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate))) THEN
        former := COALESCE(former, '');
        ALTER PUBLICATION trigperf SET (publish = 'insert, update, delete, truncate',
                                        publish_via_partition_root = false);
    END IF;
    present := (SELECT concat(p.oid, ' ', p.xmin) FROM pg_publication p WHERE p.pubname = 'trigperf');
    UPDATE trigperf.wal_look l SET publication = present WHERE l.publication IS DISTINCT FROM present;
    RETURN QUERY SELECT c.id FROM trigperf.captured_table c WHERE former <> present AND c.granularity = 'wal';
END
$$;

-- What wal_check_all() depends on: a digest, as those of version 2.
CREATE FUNCTION trigperf.wal_digest() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN concat_ws(' ',
        (SELECT sum(d.digest) FROM trigperf.table_digests() d
         JOIN trigperf.captured_table c ON c.id = d.id AND c.granularity = 'wal'),
        (SELECT sum(hash_record_extended(ROW(c.id, c.key_columns, c.watch, c.row_filter, c.filter_columns), 0))
         FROM trigperf.captured_table c WHERE c.granularity = 'wal'),
        (SELECT sum(hash_record_extended(ROW(m.table_id, m.relid, m.xmin), 0)) FROM trigperf.wal_member m),
        (SELECT sum(hash_record_extended(ROW(p.oid, p.xmin), 0)) FROM pg_publication p),
        (SELECT sum(hash_record_extended(ROW(r.oid, r.xmin), 0)) FROM pg_publication_rel r),
        (SELECT sum(hash_record_extended(ROW(s.oid, s.xmin), 0)) FROM pg_publication_namespace s));
END
$$;

-- Whether wal_check_all() has left something for the next time: a table that was in use, or cannot be published.
CREATE FUNCTION trigperf.wal_unsettled() RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM trigperf.wal_members() m WHERE NOT m.known OR m.stale OR m.mend IS NOT NULL
                                                           OR NOT m.published)
        OR EXISTS (SELECT FROM trigperf.wal_strangers())
        OR EXISTS (SELECT FROM trigperf.wal_member m
                   LEFT JOIN trigperf.wal_family() f ON f.teller = m.table_id AND f.relid = m.relid
                   WHERE m.gone_at IS NULL AND f.relid IS NULL);
END
$$;

-- Watches over members and replica identities; returns how many attached tables were found changed, which
-- are resynced. From version 18 on the server does not fail for a publication that is gone, and tells nothing.
CREATE FUNCTION trigperf.wal_check_all() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms'
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    changed int[] := '{}';
    present text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf') THEN
        RAISE EXCEPTION 'expected the publication trigperf, it was dropped' USING ERRCODE = 'undefined_object',
            HINT = 'run CREATE PUBLICATION trigperf; then attach again what is to be followed';
    ELSIF NOT pg_try_advisory_xact_lock(7460391845612004) THEN
        RETURN 0;
    END IF;
    present := trigperf.wal_digest();
    IF present = (SELECT l.digest FROM trigperf.wal_look l) THEN
        RETURN 0;
    END IF;
    BEGIN
        PERFORM trigperf.wal_attempt(NULL, s.withdraw) FROM trigperf.wal_strangers() s;
        changed := ARRAY(SELECT trigperf.wal_operations() UNION SELECT trigperf.wal_dismiss()
                         UNION SELECT trigperf.wal_adjust() UNION SELECT trigperf.wal_readmitted());
        PERFORM trigperf.resync(x) FROM unnest(changed) AS x;
        PERFORM trigperf.registry_bump() WHERE changed <> '{}';
        IF changed = '{}' AND NOT trigperf.wal_unsettled() THEN
            UPDATE trigperf.wal_look SET digest = present;
        END IF;
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

-- For contexts with source = wal, each of which asks for it every four seconds: both looks, unless another
-- one has just done it. A publication that is gone is told to all of them.
CREATE FUNCTION trigperf.wal_watch() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    IF EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf')
       AND (NOT pg_try_advisory_xact_lock(7460391845612013)
            OR EXISTS (SELECT FROM trigperf.wal_look l
                       WHERE l.began_at BETWEEN began - interval '3 seconds' AND began)) THEN
        RETURN;
    END IF;
    PERFORM trigperf.table_check_all();
    PERFORM trigperf.wal_check_all();
    UPDATE trigperf.wal_look SET began_at = began;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- Named consumers. Reading continues where their slot was confirmed; the row holds the claim, and
-- whether a resync is owed.
CREATE TABLE trigperf.wal_consumer (
    name              text PRIMARY KEY CHECK (name <> ''),
    claim             bigint NOT NULL,
    owner             uuid,
    slot              text NOT NULL,
    acked             pg_lsn,
    needs_resync      boolean NOT NULL,
    system_identifier bigint,
    incarnation       uuid,
    created_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    seen_at           timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    acked_at          timestamptz,
    reset_claim       bigint
) WITH (fillfactor = 50);
COMMENT ON COLUMN trigperf.wal_consumer.acked IS
    'what was acknowledged; the slot is told no sooner, so one that is ahead of it was moved by somebody else';

CREATE FUNCTION trigperf.wal_slot_name(p_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'trigperf_' || d.oid || '_'
           || CASE WHEN p_name ~ '^[a-z0-9_]{1,36}$' THEN p_name
                   ELSE 'x' || to_hex(hashtextextended(p_name, 0)) END
    FROM pg_database d WHERE d.datname = current_database()
$$;

-- A claim as consumer_claim() makes it. The slot cannot be continued when it is gone, when the server
-- removed log that it needs, or when the caller says so (p_restart): then fresh is true, and the
-- caller makes a new slot before it emits the resync. stale: one of that name must be dropped first.
CREATE FUNCTION trigperf.wal_claim(p_name text, p_instance uuid, p_system bigint,
                                   p_incarnation uuid, p_former bigint, p_restart boolean,
                                   OUT claim bigint, OUT slot text, OUT needs_resync boolean,
                                   OUT fresh boolean, OUT stale boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    known  trigperf.wal_consumer;
    broken boolean;
BEGIN
    INSERT INTO trigperf.wal_consumer AS c
        (name, claim, owner, slot, needs_resync, system_identifier, incarnation)
    VALUES (p_name, 0, p_instance, trigperf.wal_slot_name(p_name), true, p_system, NULL)
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT known FROM trigperf.wal_consumer c WHERE c.name = p_name FOR UPDATE;
    IF known.claim <> p_former AND known.owner IS DISTINCT FROM p_instance THEN
        RETURN;
    END IF;
    known.slot := trigperf.wal_slot_name(p_name);
    stale := EXISTS (SELECT FROM pg_replication_slots s
                     WHERE s.slot_name = known.slot AND s.database = current_database());
    broken := p_restart
           OR known.system_identifier IS DISTINCT FROM p_system
           OR known.incarnation IS DISTINCT FROM p_incarnation
           OR COALESCE(known.acked > pg_current_wal_insert_lsn(), false)
           OR NOT EXISTS (SELECT FROM pg_replication_slots s
                          WHERE s.slot_name = known.slot AND s.plugin = 'pgoutput'
                            AND s.database = current_database() AND s.wal_status <> 'lost'
                            AND (known.needs_resync OR s.confirmed_flush_lsn <= known.acked));
    UPDATE trigperf.wal_consumer c
    SET claim = c.claim + 1,
        owner = p_instance,
        slot = known.slot,
        needs_resync = c.needs_resync OR broken,
        acked = CASE WHEN broken THEN NULL ELSE c.acked END,
        system_identifier = p_system,
        incarnation = p_incarnation,
        seen_at = clock_timestamp()
    WHERE c.name = p_name
    RETURNING c.claim, c.slot, c.needs_resync, broken
    INTO claim, slot, needs_resync, fresh;
END
$$;

-- 'ok', 'superseded' or 'missing', as consumer_store().
CREATE FUNCTION trigperf.wal_store(p_name text, p_claim bigint, p_acked pg_lsn,
                                   p_resync_done boolean) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present trigperf.wal_consumer;
BEGIN
    UPDATE trigperf.wal_consumer c
    SET acked_at = CASE WHEN p_acked > COALESCE(c.acked, '0/0') THEN clock_timestamp()
                        ELSE c.acked_at END,
        acked = COALESCE(p_acked, c.acked, (
            SELECT s.confirmed_flush_lsn FROM pg_replication_slots s
            WHERE p_resync_done AND s.slot_name = c.slot AND s.database = current_database())),
        needs_resync = c.needs_resync AND NOT p_resync_done,
        seen_at = clock_timestamp()
    WHERE c.name = p_name AND c.claim = p_claim;
    IF FOUND THEN
        RETURN 'ok';
    END IF;
    SELECT * INTO present FROM trigperf.wal_consumer c WHERE c.name = p_name;
    RETURN CASE WHEN present.name IS NULL OR present.claim = present.reset_claim THEN 'missing'
                ELSE 'superseded' END;
END
$$;

-- Runs with the caller's rights: dropping a slot takes REPLICATION.
CREATE FUNCTION trigperf.wal_drop(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped text;
BEGIN
    DELETE FROM trigperf.wal_consumer c WHERE c.name = p_name RETURNING c.slot INTO dropped;
    PERFORM pg_drop_replication_slot(s.slot_name) FROM pg_replication_slots s
    WHERE s.slot_name = dropped AND s.database = current_database();
    RETURN dropped IS NOT NULL;
END
$$;

-- Slots keep the server from removing log. What they hold is measured; above wal.alert_bytes whoever
-- reads warns, above wal.max_bytes (0: never) a slot is given up, and its reader resyncs.

CREATE FUNCTION trigperf.wal_slots() RETURNS TABLE (
    consumer text, slot text, active boolean, retained_bytes bigint, unconfirmed_bytes bigint,
    wal_status text, alert boolean, overdue boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.name, s.slot_name::text, s.active,
           pg_wal_lsn_diff(e.lsn, s.restart_lsn)::bigint,
           pg_wal_lsn_diff(e.lsn, s.confirmed_flush_lsn)::bigint, s.wal_status,
           COALESCE(pg_wal_lsn_diff(e.lsn, s.restart_lsn) > e.alert, false),
           COALESCE(e.most > 0 AND pg_wal_lsn_diff(e.lsn, s.restart_lsn) > e.most, false)
    FROM pg_replication_slots s
    LEFT JOIN trigperf.wal_consumer c ON c.slot = s.slot_name
    CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                            ELSE pg_current_wal_insert_lsn() END,
                       (SELECT value::numeric FROM trigperf.setting WHERE name = 'wal.alert_bytes'),
                       (SELECT value::numeric FROM trigperf.setting WHERE name = 'wal.max_bytes'))
               AS e(lsn, alert, most)
    WHERE s.database = current_database() AND s.slot_name LIKE 'trigperf\_%'
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
