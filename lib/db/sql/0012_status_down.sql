-- Takes version 12 back.

DROP FUNCTION trigperf.test_cache_invalidation(regclass);
DROP FUNCTION trigperf.get_cache_trigger_health(int);
DROP FUNCTION trigperf.status();
DROP FUNCTION trigperf.status_strays();
DROP FUNCTION trigperf.status_tables();
DROP FUNCTION trigperf.table_subscribed(oid);
DELETE FROM trigperf.migration WHERE version = 12;
