-- What advice is made from: one row a trigger of the application's. With search_path = pg_catalog, so
-- that every definition is written with qualified names.
SELECT t.tgrelid,                                                          -- 0
       t.tgname,
       quote_ident(t.tgname),
       t.tgtype::int,
       t.tgenabled,
       array_to_string(ARRAY(SELECT quote_ident(a.attname)                 -- 5
                             FROM unnest(t.tgattr::int2[]) WITH ORDINALITY AS u(n, i)
                             JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = u.n
                             ORDER BY u.i), ', '),
       pg_get_triggerdef(t.oid),
       t.tgqual IS NOT NULL,
       quote_ident(t.tgoldtable),
       quote_ident(t.tgnewtable),
       t.tgargs,                                                           -- 10
       t.tgnargs,
       t.tgconstraint <> 0,
       t.tgfoid,
       f.nspname,
       p.proname,                                                          -- 15
       -- As the server writes it: what is in pg_catalog stands alone.
       CASE WHEN f.nspname = 'pg_catalog' THEN quote_ident(p.proname)
            ELSE format('%I.%I', f.nspname, p.proname) END,
       CASE WHEN l.lanname IN ('plpgsql', 'sql') AND octet_length(p.prosrc) <= 262144 THEN p.prosrc END,
       l.lanname,
       p.prosecdef,
       (SELECT substr(x, 13) FROM unnest(p.proconfig) AS x WHERE starts_with(x, 'search_path=')), -- 20
       s.calls,
       s.total_time,
       obj_description(t.oid, 'pg_trigger'),
       EXISTS (SELECT 1 FROM pg_depend d
               WHERE d.deptype IN ('e', 'x')
                 AND ((d.classid = 'pg_trigger'::regclass AND d.objid = t.oid)
                      OR (d.classid = 'pg_proc'::regclass AND d.objid = p.oid))),
       count(*) OVER (PARTITION BY t.tgfoid),                              -- 25
       ARRAY(SELECT a.attname::text FROM unnest(t.tgattr::int2[]) AS u(n)
             JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = u.n),
       pg_get_userbyid(p.proowner),
       CASE WHEN l.lanname = 'plpgsql' AND octet_length(p.prosrc) <= 262144 THEN pg_get_functiondef(p.oid) END
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_namespace f ON f.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_stat_user_functions s ON s.funcid = p.oid
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' AND f.nspname <> 'trigperf'
  AND n.nspname NOT IN ('trigperf', 'pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname, t.tgname
