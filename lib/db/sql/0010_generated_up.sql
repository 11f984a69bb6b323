-- Version 10: generated columns, in replica identities and with other expressions.

-- ---------------------------------------------------------------------------------------------
-- The server refuses UPDATE and DELETE of a published table whose replica identity has a generated
-- column that is not published. An index may have one, and the publication's list of columns leaves it
-- out. With REPLICA IDENTITY FULL all columns belong to the identity, and since PostgreSQL 18 generated
-- ones count: stored ones can be published there, virtual ones cannot.

-- The columns that the log tells of an old row; none where the server would refuse to write it.
CREATE OR REPLACE FUNCTION trigperf.wal_identity(p_relid oid) RETURNS text[]
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

CREATE OR REPLACE FUNCTION trigperf.table_check_all() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
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
    FOR attached IN SELECT * FROM trigperf.captured_table ORDER BY id LOOP
        BEGIN
            IF trigperf.table_check(attached) THEN
                changed := changed + 1;
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

-- ---------------------------------------------------------------------------------------------
-- As in version 2, and a generated column by the version of its expression too: another one rewrites
-- the rows, and no trigger fires.

CREATE OR REPLACE FUNCTION trigperf.table_fingerprint(p_root oid, p_function oid) RETURNS text
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
                                    trigperf.table_demands(c.oid), EXISTS (SELECT FROM pg_subscription_rel s
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
        SELECT string_agg(concat_ws(':', g.tgname, g.tgenabled), ',' ORDER BY g.tgname)
        FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgfoid = p_function) AS t(triggers));
END
$$;

REVOKE ALL ON FUNCTION trigperf.wal_publish_generated() FROM PUBLIC;
