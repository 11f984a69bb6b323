-- Every trigger of the database, or of the table $1 (an oid; null: all). Written to be run under any
-- search_path, on databases with and without the schema trigperf, by any role.
WITH measured AS (
    SELECT t.oid, t.tgname, t.tgtype, t.tgenabled, t.tgattr, t.tgrelid, t.tgqual, t.tgoldtable,
           t.tgnewtable, t.tgconstraint, t.tgparentid, n.nspname, c.relname, fn.nspname AS fnspname,
           p.proname, l.lanname, s.funcid AS counted, s.calls, s.total_time, s.self_time,
           GREATEST(1, pg_catalog.count(*) FILTER (WHERE t.tgparentid = 0 AND c.relpersistence <> 't')
               OVER (PARTITION BY t.tgfoid)) AS shared_by,
           pg_catalog.pg_get_triggerdef(t.oid) AS definition
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN pg_catalog.pg_stat_user_functions s ON s.funcid = p.oid
    WHERE NOT t.tgisinternal
)
SELECT pg_catalog.json_build_object(
    'format', 1,
    'generated_at', pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()),
                                       'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', pg_catalog.current_database(),
    'server_version', pg_catalog.current_setting('server_version'),
    'track_functions', pg_catalog.current_setting('track_functions'),
    'statistics_since', (SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', d.stats_reset),
                                                   'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                         FROM pg_catalog.pg_stat_database d
                         WHERE d.datname = pg_catalog.current_database()),
    'hint', CASE WHEN pg_catalog.current_setting('track_functions') = 'none' THEN
        pg_catalog.format('calls and times are not measured: ALTER DATABASE %I SET track_functions = ''pl'' as '
            'a superuser (or as a role with GRANT SET ON PARAMETER track_functions; on managed '
            'servers in the parameter group), which new sessions take over',
            pg_catalog.current_database()) END,
    'triggers', COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
        'table', pg_catalog.format('%I.%I', m.nspname, m.relname),
        'trigger', m.tgname,
        'timing', CASE WHEN m.tgtype::int & 2 > 0 THEN 'before'
                       WHEN m.tgtype::int & 64 > 0 THEN 'instead of' ELSE 'after' END,
        'level', CASE WHEN m.tgtype::int & 1 > 0 THEN 'row' ELSE 'statement' END,
        'events', pg_catalog.array_remove(ARRAY[
            CASE WHEN m.tgtype::int & 4 > 0 THEN 'insert' END,
            CASE WHEN m.tgtype::int & 16 > 0 THEN 'update' END,
            CASE WHEN m.tgtype::int & 8 > 0 THEN 'delete' END,
            CASE WHEN m.tgtype::int & 32 > 0 THEN 'truncate' END], NULL),
        'update_of', ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                           WHERE a.attrelid = m.tgrelid AND a.attnum = ANY (m.tgattr::int2[])
                           ORDER BY a.attnum),
        'when', m.tgqual IS NOT NULL,
        'transition_tables', m.tgoldtable IS NOT NULL OR m.tgnewtable IS NOT NULL,
        'constraint', m.tgconstraint <> 0,
        'inherited', m.tgparentid <> 0,
        'function', pg_catalog.format('%I.%I', m.fnspname, m.proname),
        'language', m.lanname,
        'enabled', CASE m.tgenabled WHEN 'O' THEN 'on' WHEN 'D' THEN 'off'
                                    WHEN 'R' THEN 'replica' ELSE 'always' END,
        'ours', m.fnspname = 'trigperf',
        'shared_by', m.shared_by,
        'calls', m.calls,
        'total_ms', m.total_time,
        'self_ms', m.self_time,
        'mean_ms', m.total_time / NULLIF(m.calls, 0),
        'no_op_share', NULL /* measured */,
        'definition', m.definition)
        ORDER BY m.nspname, m.relname, m.tgname) FILTER (WHERE m.oid IS NOT NULL), '[]'))
FROM (SELECT 1) AS always
LEFT JOIN measured m ON $1::oid IS NULL OR m.tgrelid = $1::oid
