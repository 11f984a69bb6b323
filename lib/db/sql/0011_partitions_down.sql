-- Takes version 11 back, as part of taking back all: the functions that it replaced go with versions 1, 2
-- and 4.

DROP FUNCTION trigperf.wal_operations();
DROP FUNCTION trigperf.wal_adjust();
DROP FUNCTION trigperf.wal_report(int, text, text, text);
DROP FUNCTION trigperf.wal_dismiss();
DROP FUNCTION trigperf.wal_attempt(int, text);
DROP FUNCTION trigperf.wal_enrol(int);
DROP FUNCTION trigperf.wal_members();
DROP FUNCTION trigperf.wal_family();
DROP FUNCTION trigperf.wal_filtered(oid);
DROP TABLE trigperf.wal_member;
ALTER TABLE trigperf.captured_table DROP COLUMN filter_columns;
-- version 4 takes this one back by its name
CREATE FUNCTION trigperf.wal_publish(int) RETURNS void LANGUAGE sql AS 'SELECT';
DELETE FROM trigperf.migration WHERE version = 11;
