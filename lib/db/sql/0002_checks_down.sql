-- Takes version 2 back.

DROP FUNCTION trigperf.table_check_all();
DROP FUNCTION trigperf.table_check(trigperf.captured_table);
DROP FUNCTION trigperf.table_complete(int, oid, oid, oid, boolean);
DROP FUNCTION trigperf.table_fingerprint(oid, oid);
DROP FUNCTION trigperf.table_family(oid);
ALTER TABLE trigperf.captured_table DROP COLUMN fingerprint;
DELETE FROM trigperf.migration WHERE version = 2;

