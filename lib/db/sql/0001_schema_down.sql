-- Takes version 1 back, object by object: anything else that stands in the schema makes the last
-- statement fail, and with it the whole transaction.

DROP FUNCTION trigperf.outbox_rotate();
DROP FUNCTION trigperf.outbox_passed(smallint, xid8);
DROP FUNCTION trigperf.notifier_resign(uuid);
DROP FUNCTION trigperf.notifier_elect(uuid, int);
DROP FUNCTION trigperf.member_gone(uuid);
DROP FUNCTION trigperf.member_follow(uuid, text, text);
DROP FUNCTION trigperf.member_seen(uuid, text, pg_snapshot);
DROP FUNCTION trigperf.member_sweep();
DROP FUNCTION trigperf.consumer_drop(text);
DROP FUNCTION trigperf.consumer_store(text, bigint, pg_snapshot, boolean);
DROP FUNCTION trigperf.consumer_claim(text, uuid, bigint, uuid, bigint);
DROP FUNCTION trigperf.reader_gap(pg_snapshot);
DROP FUNCTION trigperf.resync_unread(int);
DROP FUNCTION trigperf.incarnation_get();
DROP FUNCTION trigperf.outbox_slot_of(xid8);
DROP FUNCTION trigperf.resync(int);
DROP FUNCTION trigperf.outbox_coarse(int, "char");
DROP FUNCTION trigperf.registry_bump();
DROP TABLE trigperf.notifier;
DROP TABLE trigperf.member;
DROP TABLE trigperf.consumer;
DROP TABLE trigperf.incarnation;
DROP TABLE trigperf.outbox_slot;
DROP TABLE trigperf.outbox_0, trigperf.outbox_1, trigperf.outbox_2, trigperf.outbox_3;
DROP TABLE trigperf.outbox;
DROP TABLE trigperf.trigger_error_log;
DROP TABLE trigperf.cascade_rule;
DROP TABLE trigperf.captured_table;
DROP TABLE trigperf.setting;
DROP TABLE trigperf.migration;
DROP SCHEMA trigperf;
