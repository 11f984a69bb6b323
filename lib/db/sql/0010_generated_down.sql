-- Takes version 10 back, as part of taking back all: the functions that it replaced go with version 1
-- and 2.

DROP FUNCTION trigperf.wal_publish_generated();
DELETE FROM trigperf.migration WHERE version = 10;
