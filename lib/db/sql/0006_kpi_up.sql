-- Figures that the database keeps up to date (KPIs): their registry. What belongs to one of them is
-- made when it is added: trigperf.kpi_N() for its triggers, kpi_work_N() to refresh it, kpi_mark_N for
-- groups that wait for their refresh. These belong to the owner of the source.
CREATE TABLE trigperf.kpi (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_schema text NOT NULL,
    target_table  text NOT NULL,
    source_schema text NOT NULL,
    source_table  text NOT NULL,
    group_names   text[] NOT NULL,
    group_exprs   text[] NOT NULL,
    value_names   text[] NOT NULL,
    aggregates    text[] NOT NULL,
    row_filter    text,
    mode          text NOT NULL CHECK (mode IN ('immediate', 'trailing')),
    interval_ms   int NOT NULL CHECK (interval_ms >= 0),
    granularity   text NOT NULL CHECK (granularity IN ('statement', 'row')),
    reason        text NOT NULL,
    triggers      int NOT NULL,
    update_of     boolean NOT NULL,
    generator     int,
    added_at      timestamptz NOT NULL DEFAULT pg_catalog.now(),
    added_by      text NOT NULL DEFAULT CURRENT_USER,
    UNIQUE (target_schema, target_table)
);

COMMENT ON COLUMN trigperf.kpi.generator IS
    'which generation of the text its functions are';

-- The state of each: triggers that are there and fire. A row trigger with UPDATE OF does not see what
-- a BEFORE trigger made later changes in other columns.
CREATE FUNCTION trigperf.kpi_list() RETURNS TABLE (
    id int, target text, source text, state text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id, n.target, n.source,
           CASE WHEN to_regclass(n.target) IS NULL OR to_regclass(n.source) IS NULL THEN 'dropped'
                WHEN f.present < k.triggers THEN 'missing'
                WHEN f.firing < f.present THEN 'disabled'
                WHEN k.update_of AND f.before THEN 'before_trigger'
                ELSE 'ok' END,
           CASE WHEN to_regclass(n.target) IS NULL OR to_regclass(n.source) IS NULL
                  OR f.present < k.triggers OR (k.update_of AND f.before)
                THEN 'trigperf kpi drop ' || n.target || ', then add it anew'
                WHEN f.firing < f.present
                THEN 'ALTER TABLE ' || n.source || ' ENABLE TRIGGER USER; then trigperf kpi refresh '
                     || n.target || ' --rebuild' END
    FROM trigperf.kpi k
    CROSS JOIN LATERAL (SELECT format('%I.%I', k.target_schema, k.target_table),
                               format('%I.%I', k.source_schema, k.source_table)) AS n(target, source)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE p.proname = 'kpi_' || k.id AND c.nspname = 'trigperf'),
               count(*) FILTER (WHERE p.proname = 'kpi_' || k.id AND c.nspname = 'trigperf'
                                  AND g.tgenabled IN ('O', 'A')),
               COALESCE(bool_or(g.tgtype & 19 = 19 AND NOT g.tgisinternal), false)
        FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace c ON c.oid = p.pronamespace
        WHERE g.tgrelid = to_regclass(n.source)) AS f(present, firing, before)
    ORDER BY n.target
$$;

-- Refreshes KPIs: trigperf kpi refresh does, a host may, or pg_cron. 'due', 'all', 'rebuild' or 'check',
-- see the function of each. Runs with the caller's rights and calls what belongs to owners of tables: as
-- a superuser it leaves those of plain roles alone.
CREATE FUNCTION trigperf.kpi_refresh(p_target text DEFAULT NULL, p_what text DEFAULT 'due')
RETURNS TABLE (target text, refreshed bigint, waiting bigint, rebuilt boolean, busy boolean, error text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    k record;
BEGIN
    FOR k IN SELECT i.id, format('%I.%I', i.target_schema, i.target_table) AS name, p.prosecdef AS definer,
                    o.rolname AS owner,
                    u.rolsuper AND NOT o.rolsuper AND NOT EXISTS (
                        SELECT FROM pg_database d
                        WHERE d.datname = current_database() AND d.datdba = o.oid) AS foreign_owner
             FROM trigperf.kpi i
             JOIN pg_roles u ON u.rolname = CURRENT_USER
             LEFT JOIN pg_proc p ON p.proname = 'kpi_work_' || i.id
                                AND p.pronamespace = 'trigperf'::regnamespace
             LEFT JOIN pg_roles o ON o.oid = p.proowner
             WHERE p_target IS NULL OR p_target = format('%I.%I', i.target_schema, i.target_table)
             ORDER BY i.id
    LOOP
        target := k.name;
        refreshed := 0;
        waiting := 0;
        rebuilt := false;
        busy := false;
        error := NULL;
        IF k.owner IS NULL THEN
            error := 'its function is missing: drop the KPI and add it anew';
        ELSIF k.foreign_owner OR NOT k.definer THEN
            error := 'its function belongs to role ' || k.owner || ', and a superuser does not run it: '
                     || 'connect as that role';
        ELSE
            BEGIN
                EXECUTE format('SELECT * FROM trigperf.kpi_work_%s($1)', k.id)
                    INTO refreshed, waiting, rebuilt, busy USING p_what;
            EXCEPTION WHEN OTHERS THEN
                error := SQLERRM;
            END;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
