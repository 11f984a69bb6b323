-- Takes version 9 back, as part of taking back all: the functions that it replaced go with version 5.

DROP FUNCTION trigperf.cleanup_step(int, int);
DROP FUNCTION trigperf.cleanup_plan(int);
DROP FUNCTION trigperf.outbox_bytes();
DROP FUNCTION trigperf.retained_check(int, int);
DROP FUNCTION trigperf.retained_remove(text, text, int, int);
DROP FUNCTION trigperf.retained();
DELETE FROM trigperf.migration WHERE version = 9;
