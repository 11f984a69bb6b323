-- Version 4: the source wal. Tables attached with granularity wal have no triggers: they stand in the
-- publication trigperf, and their changes are read from the write-ahead log through replication slots.
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
    PERFORM pg_catalog.set_config('client_min_messages', 'error', true);
    CREATE PUBLICATION trigperf WITH (publish = 'insert, update, delete, truncate');
    PERFORM pg_catalog.set_config('client_min_messages', level, true);
END
$$;

INSERT INTO trigperf.setting (name, value) VALUES
    ('wal.alert_bytes', '1073741824'),
    ('wal.max_bytes', '0');

-- ---------------------------------------------------------------------------------------------
-- Tables

-- What a reader needs to know of each table: keys in the order of the registry, and how the server's
-- output of their types becomes the text of a key.
CREATE FUNCTION trigperf.wal_specs() RETURNS TABLE (
    id int, relid oid, keys text[], forms text[], watch text[], max_keys int)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, c.relid::oid, c.key_columns,
           ARRAY(WITH RECURSIVE under(place, oid, typtype, typbasetype) AS (
                     SELECT k.place, t.oid, t.typtype, t.typbasetype
                     FROM unnest(c.key_columns) WITH ORDINALITY AS k(name, place)
                     LEFT JOIN pg_attribute a ON a.attrelid = c.relid AND a.attname = k.name
                     LEFT JOIN pg_type t ON t.oid = a.atttypid
                     UNION ALL
                     SELECT u.place, t.oid, t.typtype, t.typbasetype
                     FROM under u JOIN pg_type t ON t.oid = u.typbasetype WHERE u.typtype = 'd')
                 SELECT CASE u.oid WHEN 16 THEN 'bool' WHEN 1042 THEN 'blanks' WHEN 869 THEN 'inet'
                                   ELSE 'plain' END
                 FROM under u WHERE u.typtype IS DISTINCT FROM 'd' ORDER BY u.place),
           c.watch, c.max_keys
    FROM trigperf.captured_table c WHERE c.granularity = 'wal' ORDER BY c.id
$$;

CREATE FUNCTION trigperf.wal_publish(p_id int) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place   text;
    columns text;
    filter  text;
BEGIN
    SELECT t.present, c.row_filter,
           (SELECT ' (' || string_agg(quote_ident(x), ', ') || ')' FROM unnest(t.identity) AS x
            WHERE r.relreplident <> 'f')
    INTO STRICT place, filter, columns
    FROM trigperf.wal_tables() t
    JOIN trigperf.captured_table c ON c.id = t.id
    JOIN pg_class r ON r.oid = t.relid
    WHERE t.id = p_id;
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', place);
    EXECUTE format('ALTER PUBLICATION trigperf ADD TABLE ONLY %s%s%s', place, columns,
                   ' WHERE (' || filter || ')');
END
$$;

-- Ends an attempt to attach what could not be told, or whose writers the server would refuse.
CREATE FUNCTION trigperf.wal_assert(p_id int) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
BEGIN
    SELECT t.state, t.present, t.fix INTO STRICT found FROM trigperf.wal_tables() t WHERE t.id = p_id;
    IF found.state <> 'ok' THEN
        RAISE EXCEPTION 'the replica identity of % does not hold all columns of its keys or row filter',
            found.present USING HINT = found.fix, ERRCODE = 'feature_not_supported';
    END IF;
END
$$;

-- Watches over replica identities; returns how many tables were found changed. One whose writers the
-- server would refuse leaves the publication at once; one that can be told again comes back.
CREATE FUNCTION trigperf.wal_check_all() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    found   record;
    changed int := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612004) THEN
        RETURN 0;
    END IF;
    FOR found IN SELECT * FROM trigperf.wal_tables() t
                 WHERE t.refuses OR t.state IN ('columns', 'unpublished') LOOP
        BEGIN
            IF found.published THEN
                EXECUTE format('ALTER PUBLICATION trigperf DROP TABLE ONLY %s', found.present);
            END IF;
            IF found.state <> 'identity' THEN
                PERFORM trigperf.wal_publish(found.id);
            END IF;
            PERFORM trigperf.resync(found.id);
            changed := changed + 1;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                NULL;
            WHEN OTHERS THEN
                INSERT INTO trigperf.trigger_error_log
                    (table_name, operation, error_message, sqlstate)
                SELECT found.present, 'check', SQLERRM, SQLSTATE
                WHERE NOT EXISTS (SELECT FROM trigperf.trigger_error_log e
                                  WHERE e.operation = 'check' AND e.error_message = SQLERRM
                                    AND e.occurred_at > clock_timestamp() - interval '1 hour');
        END;
    END LOOP;
    INSERT INTO trigperf.trigger_error_log (table_name, operation, error_message, error_context)
    SELECT t.present, 'check', 'changes are not told key by key: the table''s state is ' || t.state,
           t.fix
    FROM trigperf.wal_tables() t
    WHERE t.state <> 'ok'
      AND NOT EXISTS (SELECT FROM trigperf.trigger_error_log e
                      WHERE e.operation = 'check' AND e.table_name = t.present
                        AND e.occurred_at > clock_timestamp() - interval '1 hour');
    RETURN changed;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- Named consumers. Reading continues where their slot was confirmed; the row holds the claim, and
-- whether a resync is owed.

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
    stale := EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = known.slot);
    broken := p_restart
           OR known.system_identifier IS DISTINCT FROM p_system
           OR known.incarnation IS DISTINCT FROM p_incarnation
           OR COALESCE(known.acked > pg_current_wal_insert_lsn(), false)
           OR NOT EXISTS (SELECT FROM pg_replication_slots s
                          WHERE s.slot_name = known.slot AND s.plugin = 'pgoutput'
                            AND s.database = current_database() AND s.wal_status <> 'lost');
    UPDATE trigperf.wal_consumer c
    SET claim = c.claim + 1,
        owner = p_instance,
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
    present bigint;
BEGIN
    UPDATE trigperf.wal_consumer c
    SET acked_at = CASE WHEN p_acked > COALESCE(c.acked, '0/0') THEN clock_timestamp()
                        ELSE c.acked_at END,
        acked = COALESCE(p_acked, c.acked),
        needs_resync = c.needs_resync AND NOT p_resync_done,
        seen_at = clock_timestamp()
    WHERE c.name = p_name AND c.claim = p_claim;
    IF FOUND THEN
        RETURN 'ok';
    END IF;
    SELECT c.claim INTO present FROM trigperf.wal_consumer c WHERE c.name = p_name;
    RETURN CASE WHEN present IS NULL THEN 'missing' ELSE 'superseded' END;
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
    WHERE s.slot_name = dropped;
    RETURN dropped IS NOT NULL;
END
$$;

REVOKE ALL ON FUNCTION trigperf.wal_specs(), trigperf.wal_publish(int), trigperf.wal_assert(int),
    trigperf.wal_check_all(),
    trigperf.wal_slot_name(text),
    trigperf.wal_claim(text, uuid, bigint, uuid, bigint, boolean),
    trigperf.wal_store(text, bigint, pg_lsn, boolean), trigperf.wal_drop(text)
    FROM PUBLIC;
