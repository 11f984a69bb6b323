-- Takes version 8 back, as part of taking back all: the functions that it replaced go with version 1
-- and 4.

DROP FUNCTION trigperf.status();
DROP FUNCTION trigperf.status_consumers(json, text);
ALTER FUNCTION trigperf.status_parts() RENAME TO status;
DROP FUNCTION trigperf.consumer_watch(int);
DROP FUNCTION trigperf.wal_release(text);
DROP FUNCTION trigperf.wal_reset(text);
DROP FUNCTION trigperf.consumer_reset(text);
DROP FUNCTION trigperf.consumers();
DROP FUNCTION trigperf.consumer_list();
DROP FUNCTION trigperf.outbox_bytes_from(xid8);
DROP FUNCTION trigperf.outbox_unread(pg_snapshot);
DROP FUNCTION trigperf.clock_of(pg_lsn);
DROP FUNCTION trigperf.clock_of(xid8);
DROP FUNCTION trigperf.clock_tick();
DROP FUNCTION trigperf.member_follow(uuid, text, text);
DROP TABLE trigperf.clock;
ALTER TABLE trigperf.wal_consumer DROP COLUMN reset_claim;
ALTER TABLE trigperf.consumer DROP COLUMN reset_claim;
ALTER TABLE trigperf.member DROP COLUMN source;
DELETE FROM trigperf.migration WHERE version = 8;
