-- Takes version 10 back.

DROP FUNCTION trigperf.cleanup_step(int, int);
DROP FUNCTION trigperf.cleanup_plan(int);
DROP FUNCTION trigperf.outbox_bytes();
DROP FUNCTION trigperf.cleanup_trigger_error_log(int, int);
DROP FUNCTION trigperf.metrics_cleanup(int, int);
DROP FUNCTION trigperf.retained_check(int, int);
DROP FUNCTION trigperf.retained_remove(text, text, int, int);
DROP FUNCTION trigperf.retained_since(text, int);
DROP FUNCTION trigperf.retained();
DELETE FROM trigperf.migration WHERE version = 10;
