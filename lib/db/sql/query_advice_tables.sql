-- What advice is made from: one row a table. A partitioned table counts as its partitions together.
SELECT c.oid,                                                              -- 0
       n.nspname,
       c.relname,
       format('%I.%I', n.nspname, c.relname),
       c.relkind,
       w.ins, w.upd, w.del, w.hot, w.scans,                                -- 5
       (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'), -- 10
       EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid),
       EXISTS (SELECT 1 FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped),
       (SELECT quote_ident(a.attname) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(s.n_tup_ins), 0) AS ins, COALESCE(sum(s.n_tup_upd), 0) AS upd,
           COALESCE(sum(s.n_tup_del), 0) AS del, COALESCE(sum(s.n_tup_hot_upd), 0) AS hot,
           COALESCE(sum(s.seq_scan + COALESCE(s.idx_scan, 0)), 0) AS scans
    FROM pg_stat_user_tables s
    WHERE s.relid = c.oid
       OR (c.relkind = 'p' AND s.relid IN (SELECT pt.relid FROM pg_partition_tree(c.oid) pt))) AS w
WHERE c.relkind IN ('r', 'p', 'v') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('trigperf', 'pg_catalog', 'information_schema')
  AND (c.relhastriggers OR c.relchecks >= 10)
ORDER BY n.nspname, c.relname
