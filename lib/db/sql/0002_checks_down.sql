-- Takes version 2 back.

DROP FUNCTION trigperf.table_check_all();
DROP FUNCTION trigperf.table_digests();
DROP FUNCTION trigperf.table_surroundings();
DROP FUNCTION trigperf.uncaptured_check();
DROP FUNCTION trigperf.table_check(trigperf.captured_table);
DROP FUNCTION trigperf.table_renew(trigperf.captured_table);
DROP FUNCTION trigperf.check_failed(trigperf.captured_table, text, text);
DROP FUNCTION trigperf.table_complete(int, oid, oid, oid, boolean);
DROP FUNCTION trigperf.table_fingerprint(oid, oid);
DROP FUNCTION trigperf.table_demands(oid);
DROP FUNCTION trigperf.table_family(oid);
DROP TABLE trigperf.uncaptured_seen;
DROP SEQUENCE trigperf.uncaptured;
DELETE FROM trigperf.migration WHERE version = 2;
