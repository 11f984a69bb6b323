-- Version 12: the status. What is installed, and what does not fit together, with the way to mend it.

-- Whether a subscription of this database writes to a table, or to something beneath it.
CREATE FUNCTION trigperf.table_subscribed(p_root oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE family(relid) AS (
        SELECT p_root
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid)
    SELECT EXISTS (SELECT FROM pg_subscription_rel s JOIN family f ON s.srrelid = f.relid)
$$;

CREATE FUNCTION trigperf.status_tables() RETURNS TABLE (
    id int, name text, keys text[], watch text[], granularity text, reason text, isolate text,
    replicated boolean, max_keys int, attached_at timestamptz, triggers int, disabled int, state text,
    fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, q.registered, c.key_names, c.watch, c.granularity, c.granularity_reason, c.isolate,
           c.replicated, c.max_keys, c.attached_at, t.total, t.disabled, s.state,
           CASE s.state
               WHEN 'dropped' THEN 'the table is gone: trigperf detach ' || q.registered
               WHEN 'renamed' THEN 'the table is called ' || q.present || ' now: trigperf detach '
                                   || q.registered || ', then attach it under its new name'
               WHEN 'missing' THEN 'triggers are gone: detach it and attach it again'
               WHEN 'disabled' THEN 'ALTER TABLE ' || q.present || t.enable || '; SELECT trigperf.resync('
                                    || c.id || ')'
               WHEN 'rights' THEN 'GRANT USAGE ON SCHEMA trigperf TO ' || w.role || '; GRANT INSERT ON '
                                  || 'trigperf.outbox_0, trigperf.outbox_1, trigperf.outbox_2, '
                                  || 'trigperf.outbox_3, trigperf.trigger_error_log TO ' || w.role
                                  || '; GRANT EXECUTE ON FUNCTION trigperf.outbox_coarse TO ' || w.role
               WHEN 'subscribed' THEN 'rows that arrive by logical replication are not captured: detach '
                                      || 'it and attach it again'
               ELSE l.fix
           END
    FROM trigperf.captured_table c
    LEFT JOIN pg_class r ON r.oid = c.relid
    LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN trigperf.wal_tables() l ON l.id = c.id
    CROSS JOIN LATERAL (
        SELECT quote_ident(c.schema_name) || '.' || quote_ident(c.table_name),
               quote_ident(n.nspname) || '.' || quote_ident(r.relname)
    ) AS q(registered, present)
    CROSS JOIN LATERAL (
        SELECT count(*)::int, count(*) FILTER (WHERE g.off)::int,
               string_agg(CASE WHEN c.replicated THEN ' ENABLE ALWAYS' ELSE ' ENABLE' END
                          || ' TRIGGER ' || quote_ident(g.tgname), ',' ORDER BY g.tgname)
                   FILTER (WHERE g.off)
        FROM (SELECT h.tgname, CASE WHEN c.replicated THEN h.tgenabled <> 'A'
                                    ELSE h.tgenabled IN ('D', 'R') END AS off
              FROM pg_trigger h
              WHERE h.tgrelid = c.relid AND h.tgname LIKE 'trigperf\_capture\_%'
                AND NOT h.tgisinternal) AS g
    ) AS t(total, disabled, enable)
    LEFT JOIN LATERAL (
        SELECT p.proowner::regrole::text,
               has_schema_privilege(p.proowner, p.pronamespace, 'USAGE')
               AND has_function_privilege(p.proowner, 'trigperf.outbox_coarse(int, "char")', 'EXECUTE')
               AND (SELECT bool_and(has_table_privilege(p.proowner, i.inhrelid, 'INSERT'))
                    FROM pg_inherits i WHERE i.inhparent = 'trigperf.outbox'::regclass)
        FROM pg_proc p
        WHERE p.pronamespace = 'trigperf'::regnamespace AND p.proname = c.function_name
    ) AS w(role, able) ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.oid IS NULL THEN 'dropped'
                    WHEN q.present <> q.registered THEN 'renamed'
                    WHEN c.granularity = 'wal' THEN l.state
                    WHEN t.total < CASE c.granularity WHEN 'row' THEN 2 ELSE 4 END THEN 'missing'
                    WHEN t.disabled > 0 THEN 'disabled'
                    WHEN NOT w.able THEN 'rights'
                    WHEN NOT c.replicated AND trigperf.table_subscribed(c.relid) THEN 'subscribed'
                    ELSE 'ok' END
    ) AS s(state)
    ORDER BY q.registered
$$;

-- Capture triggers on tables that the registry does not know: left by a restored dump or a copy.
CREATE FUNCTION trigperf.status_strays() RETURNS TABLE (relation text, trigger text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT quote_ident(n.nspname) || '.' || quote_ident(r.relname), g.tgname::text,
           'DROP TRIGGER ' || quote_ident(g.tgname) || ' ON ' || quote_ident(n.nspname) || '.'
               || quote_ident(r.relname)
    FROM pg_trigger g
    JOIN pg_class r ON r.oid = g.tgrelid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_proc p ON p.oid = g.tgfoid
    JOIN pg_namespace f ON f.oid = p.pronamespace
    WHERE g.tgname LIKE 'trigperf\_capture\_%' AND f.nspname = 'trigperf' AND NOT g.tgisinternal
      AND g.tgparentid = 0
      AND NOT EXISTS (SELECT FROM trigperf.captured_table c
                      WHERE c.function_name = p.proname)
    ORDER BY 1, 2
$$;
CREATE FUNCTION trigperf.status() RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT json_build_object(
        'installed', true,
        'schema_version', (SELECT max(version) FROM trigperf.migration),
        'owner', (SELECT n.nspowner::regrole FROM pg_namespace n WHERE n.nspname = 'trigperf'),
        'database', current_database(),
        'server_version', current_setting('server_version'),
        'tables', (SELECT COALESCE(json_agg(json_build_object(
                'table', t.name, 'keys', t.keys, 'watch', t.watch, 'granularity', t.granularity,
                'reason', t.reason, 'isolate', t.isolate, 'replicated', t.replicated,
                'max_keys', t.max_keys, 'attached_at', t.attached_at,
                'triggers', t.triggers, 'disabled', t.disabled, 'state', t.state, 'fix', t.fix,
                'rules', (SELECT COALESCE(json_agg(r.template ORDER BY r.id), '[]')
                          FROM trigperf.cascade_rule r WHERE r.table_id = t.id))), '[]')
            FROM trigperf.status_tables() t),
        'strays', (SELECT COALESCE(json_agg(row_to_json(s)), '[]') FROM trigperf.status_strays() s),
        'consumers', (SELECT COALESCE(json_agg(json_build_object(
                'name', c.name, 'claim', c.claim, 'owner', c.owner, 'needs_resync', c.needs_resync,
                'position', c.position::text, 'created_at', c.created_at, 'seen_at', c.seen_at,
                'acked_at', c.acked_at,
                'seen_age_s', round(EXTRACT(epoch FROM clock_timestamp() - c.seen_at)::numeric, 1),
                'behind_transactions', pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                                       - pg_snapshot_xmin(c.position)::text::bigint,
                'state', l.state, 'lag_transactions', l.lag_transactions, 'lag_bytes', l.lag_bytes,
                'lag_seconds', l.lag_seconds) ORDER BY c.name), '[]')
            FROM trigperf.consumer c
            LEFT JOIN trigperf.consumer_list() l ON l.name = c.name AND l.source = 'outbox'),
        'wal_consumers', (SELECT COALESCE(json_agg(json_build_object(
                'name', w.name, 'claim', w.claim, 'owner', w.owner, 'needs_resync', w.needs_resync,
                'slot', w.slot, 'acked', w.acked, 'created_at', w.created_at, 'seen_at', w.seen_at,
                'acked_at', w.acked_at, 'state', l.state, 'lag_transactions', l.lag_transactions,
                'lag_bytes', l.lag_bytes, 'lag_seconds', l.lag_seconds) ORDER BY w.name), '[]')
            FROM trigperf.wal_consumer w
            LEFT JOIN trigperf.consumer_list() l ON l.name = w.name AND l.source = 'wal'),
        'wal_slots', (SELECT COALESCE(json_agg(row_to_json(s) ORDER BY s.slot), '[]')
                      FROM trigperf.wal_slots() s),
        'members', (SELECT count(*) FROM trigperf.member m
                    WHERE m.seen_at > clock_timestamp() - interval '30 seconds'),
        'notifier', (SELECT json_build_object('instance', n.instance, 'claim', n.claim,
                'beat_age_s', round(EXTRACT(epoch FROM clock_timestamp() - n.beat)::numeric, 1))
            FROM trigperf.notifier n),
        'outbox', json_build_object(
            'bytes', (SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits i
                      WHERE i.inhparent = 'trigperf.outbox'::regclass),
            'slots', (SELECT json_agg(json_build_object('slot', o.slot, 'bytes',
                          pg_total_relation_size(('trigperf.outbox_' || o.slot)::regclass),
                          'truncated_at', o.truncated_at) ORDER BY o.slot)
                      FROM trigperf.outbox_slot o)),
        'errors', json_build_object(
            'last_24h', (SELECT count(*) FROM trigperf.trigger_error_log e
                         WHERE e.occurred_at > clock_timestamp() - interval '24 hours'),
            'latest', (SELECT json_build_object('table', e.table_name, 'operation', e.operation,
                           'message', e.error_message, 'occurred_at', e.occurred_at)
                       FROM trigperf.trigger_error_log e ORDER BY e.occurred_at DESC LIMIT 1)),
        'jobs', (SELECT COALESCE(json_agg(row_to_json(j)), '[]') FROM trigperf.jobs() j),
        'job_failures', (SELECT COALESCE(json_agg(json_build_object('job', f.job, 'at', f.begun_at,
                'outcome', f.outcome, 'attempt', f.attempt, 'error', f.error)), '[]')
            FROM trigperf.job_failures(5) f))
$$;

-- ---------------------------------------------------------------------------------------------
-- Health of cache triggers: those of attached tables, and those that call notify_cache_invalidation().

CREATE FUNCTION trigperf.get_cache_trigger_health(p_hours int DEFAULT 24) RETURNS TABLE (
    table_name text, trigger_name text, source text, enabled boolean, health text, finding text, fix text,
    executions bigint, mean_ms double precision, p95_ms double precision, errors bigint,
    error_rate double precision, last_error text, last_error_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH figures AS MATERIALIZED (
        SELECT m.function_name, m.table_name, sum(m.executions)::bigint AS executions,
               sum(m.total_ms) AS total_ms, sum(m.errors)::bigint AS errors,
               trigperf.histogram_sum(m.histogram) AS histogram
        FROM trigperf.report_period(clock_timestamp() - make_interval(hours => p_hours), clock_timestamp()) AS p
        JOIN trigperf.trigger_performance_metrics m ON m.hour >= p.since
        WHERE m.measured IN ('trigger', 'function')
        GROUP BY 1, 2)
    SELECT g.table_name, g.trigger_name, CASE WHEN g.captured_id IS NULL THEN 'notify' ELSE 'outbox' END,
           g.enabled,
           CASE WHEN NOT g.enabled OR COALESCE(s.state, 'ok') NOT IN ('ok', 'disabled') THEN 'critical'
                WHEN r.error_rate > 0.15 OR r.mean_ms > 500 THEN 'critical'
                WHEN r.error_rate > 0.05 OR r.mean_ms > 100 THEN 'warning'
                WHEN f.executions IS NULL THEN 'unknown' ELSE 'ok' END,
           CASE WHEN NOT g.enabled THEN 'the trigger is disabled'
                WHEN COALESCE(s.state, 'ok') NOT IN ('ok', 'disabled') THEN 'the table is ' || s.state
                WHEN r.error_rate > 0.05 THEN 'it fails too often'
                WHEN r.mean_ms > 100 THEN 'it is slow'
                WHEN f.executions IS NULL THEN 'not measured' END,
           CASE WHEN NOT g.enabled THEN format('ALTER TABLE %s ENABLE TRIGGER %I', g.table_name, g.trigger_name)
                WHEN s.fix IS NOT NULL THEN s.fix
                WHEN f.executions IS NULL THEN trigperf.track_functions_hint() END,
           f.executions, r.mean_ms,
           trigperf.histogram_quantile(f.histogram, 0.95)::float8 / 1e6::float8, f.errors, r.error_rate,
           e.error_message, e.occurred_at
    FROM trigperf.triggers() g
    LEFT JOIN trigperf.status_tables() s ON s.id = g.captured_id
    LEFT JOIN trigperf.trigger_functions() t ON t.funcid = g.funcid
    LEFT JOIN figures f ON f.function_name = g.function_name AND f.table_name IS NOT DISTINCT FROM t.table_name
    CROSS JOIN LATERAL (
        SELECT f.total_ms / NULLIF(f.executions, 0), f.errors::double precision / NULLIF(f.executions, 0)
    ) AS r(mean_ms, error_rate)
    LEFT JOIN LATERAL (
        SELECT x.error_message, x.occurred_at FROM trigperf.trigger_error_log x
        WHERE x.table_name = g.table_name ORDER BY x.occurred_at DESC LIMIT 1) AS e ON true
    WHERE g.captured_id IS NOT NULL OR g.function_name = 'trigperf.notify_cache_invalidation'
    ORDER BY 1, 2
$$;

-- Proves the path of an attached table (all of them without an argument), by hand. Nothing of the
-- user's is written: what is told is a resync, which costs its readers a refresh and never a wrong
-- answer. The step 'told' is about the row in the outbox, or the message in the log; who reads it, and
-- how far behind he was, follows.
CREATE FUNCTION trigperf.test_cache_invalidation(p_table regclass DEFAULT NULL)
RETURNS TABLE (table_name text, step text, passed boolean, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    state     record;
    found_one boolean := false;
BEGIN
    FOR state IN
        SELECT s.id, s.name, s.state, s.fix, s.granularity, s.triggers, c.relid
        FROM trigperf.status_tables() s JOIN trigperf.captured_table c ON c.id = s.id
        WHERE p_table IS NULL OR c.relid = p_table ORDER BY s.name
    LOOP
        found_one := true;
        table_name := state.name;
        step := 'attached';
        passed := state.state = 'ok';
        detail := CASE WHEN passed AND state.granularity = 'wal' THEN 'published'
                       WHEN passed THEN state.triggers || ' triggers, enabled'
                       ELSE state.state || COALESCE(': ' || state.fix, '') END;
        RETURN NEXT;
        PERFORM trigperf.resync(state.id);
        step := 'told';
        passed := state.granularity = 'wal' OR EXISTS (
            SELECT FROM trigperf.outbox o
            WHERE o.xid = pg_current_xact_id() AND o.table_id = state.id AND o.op = 'B');
        detail := 'a resync of transaction ' || pg_current_xact_id()::text;
        RETURN NEXT;
        step := 'read';
        SELECT count(*) > 0, count(*) || ' contexts were heard of in the last 30 seconds' INTO passed, detail
        FROM trigperf.member m WHERE m.seen_at > clock_timestamp() - interval '30 seconds';
        RETURN NEXT;
    END LOOP;
    IF NOT found_one THEN
        table_name := COALESCE(p_table::text, '*');
        step := 'attached';
        passed := false;
        detail := 'not attached: trigperf attach';
        RETURN NEXT;
    END IF;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
