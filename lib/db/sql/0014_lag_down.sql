-- Takes version 14 back, as part of taking back all: the functions that it replaced go with versions 5
-- and 8.

DROP FUNCTION trigperf.outbox_lag(pg_snapshot);
DELETE FROM trigperf.migration WHERE version = 14;
