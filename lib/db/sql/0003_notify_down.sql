-- Takes version 3 back. Triggers of others that call the function keep it in place: drop them first.

DROP FUNCTION trigperf.notify_cache_invalidation();
DELETE FROM trigperf.migration WHERE version = 3;
