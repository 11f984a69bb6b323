-- What advice is made from: one row a function that may send NOTIFY, or call one that may, by the words in
-- its text. Which of them do is told by reading that.
WITH RECURSIVE candidate AS MATERIALIZED (
    SELECT p.oid, n.nspname, p.proname, p.prosrc, lower(p.prosrc) AS words, lower(p.proname) AS called
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang
    WHERE l.lanname IN ('plpgsql', 'sql') AND p.prokind IN ('f', 'p') AND octet_length(p.prosrc) <= 262144
      AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
      AND n.nspname NOT IN ('trigperf', 'pg_catalog', 'information_schema')),
found(oid, called) AS (
    SELECT c.oid, c.called FROM candidate c WHERE strpos(c.words, 'notify') > 0
    UNION
    SELECT c.oid, c.called FROM found f JOIN candidate c ON strpos(c.words, f.called) > 0)
SELECT c.nspname,                                                          -- 0
       c.proname,
       format('%I.%I', c.nspname, c.proname),
       c.prosrc
FROM candidate c
WHERE c.oid IN (SELECT f.oid FROM found f)
ORDER BY c.nspname, c.proname, c.oid
