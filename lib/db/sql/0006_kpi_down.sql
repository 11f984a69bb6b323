-- Takes the KPIs back, with their tables.

DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT pg_catalog.format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname) AS sql
        FROM pg_catalog.pg_trigger t
        JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace
        WHERE s.nspname = 'trigperf' AND t.tgparentid = 0 AND p.proname ~ '^kpi_[0-9]+$'
    LOOP
        EXECUTE found.sql;
    END LOOP;
    FOR found IN
        SELECT pg_catalog.format('DROP FUNCTION trigperf.%I(%s)', p.proname,
                                 pg_catalog.pg_get_function_identity_arguments(p.oid)) AS sql
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'trigperf' AND p.proname ~ '^kpi_(work_)?[0-9]+$'
    LOOP
        EXECUTE found.sql;
    END LOOP;
    FOR found IN
        SELECT pg_catalog.format('DROP TABLE trigperf.%I', c.relname) AS sql
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'trigperf' AND c.relname ~ '^kpi_mark_[0-9]+$' AND c.relkind = 'r'
        UNION ALL
        SELECT pg_catalog.format('DROP TABLE IF EXISTS %I.%I', k.target_schema, k.target_table)
        FROM trigperf.kpi k
    LOOP
        EXECUTE found.sql;
    END LOOP;
END
$$;

DROP FUNCTION trigperf.kpi_refresh(text, text);
DROP FUNCTION trigperf.kpi_list();
DROP TABLE trigperf.kpi;
DELETE FROM trigperf.migration WHERE version = 6;
