-- Takes version 7 back.

DROP FUNCTION trigperf.consumer_watch(int);
DROP FUNCTION trigperf.wal_release(text);
DROP FUNCTION trigperf.wal_reset(text);
DROP FUNCTION trigperf.consumer_reset(text);
DROP FUNCTION trigperf.report_consumers();
DROP FUNCTION trigperf.consumers();
DROP FUNCTION trigperf.consumer_list();
DROP FUNCTION trigperf.outbox_lag(pg_snapshot);
DROP FUNCTION trigperf.outbox_bytes_from(xid8);
DROP FUNCTION trigperf.outbox_unread(pg_snapshot);
DROP FUNCTION trigperf.clock_of(pg_lsn);
DROP FUNCTION trigperf.clock_of(xid8);
DROP FUNCTION trigperf.clock_tick();
DROP TABLE trigperf.clock;
DELETE FROM trigperf.migration WHERE version = 7;
