-- Takes version 4 back. Slots go as well, since each keeps the server from removing log: one that is
-- still read makes this fail.

SELECT pg_catalog.pg_drop_replication_slot(s.slot_name)
FROM pg_catalog.pg_replication_slots s JOIN trigperf.wal_consumer c ON c.slot = s.slot_name
WHERE s.database = pg_catalog.current_database();

DROP FUNCTION trigperf.wal_slots();
DROP FUNCTION trigperf.wal_drop(text);
DROP FUNCTION trigperf.wal_store(text, bigint, pg_lsn, boolean);
DROP FUNCTION trigperf.wal_claim(text, uuid, bigint, uuid, bigint, boolean);
DROP FUNCTION trigperf.wal_slot_name(text);
DROP FUNCTION trigperf.wal_watch();
DROP FUNCTION trigperf.wal_check_all();
DROP FUNCTION trigperf.wal_unsettled();
DROP FUNCTION trigperf.wal_digest();
DROP FUNCTION trigperf.wal_operations();
DROP FUNCTION trigperf.wal_strangers();
DROP FUNCTION trigperf.wal_readmitted();
DROP FUNCTION trigperf.wal_adjust();
DROP FUNCTION trigperf.wal_report(int, text, text, text);
DROP FUNCTION trigperf.wal_moved(int, oid);
DROP FUNCTION trigperf.wal_dismiss();
DROP FUNCTION trigperf.wal_attempt(int, text);
DROP FUNCTION trigperf.wal_enrol(int);
DROP FUNCTION trigperf.wal_assert(int);
DROP FUNCTION trigperf.wal_specs();
DROP FUNCTION trigperf.wal_tables();
DROP FUNCTION trigperf.wal_members();
DROP FUNCTION trigperf.wal_family();
DROP FUNCTION trigperf.wal_row_filter(oid);
DROP FUNCTION trigperf.wal_entry(oid);
DROP FUNCTION trigperf.wal_filtered(oid);
DROP FUNCTION trigperf.wal_identity(oid);
DROP FUNCTION trigperf.wal_publish_generated();
DROP TABLE trigperf.wal_consumer;
DROP TABLE trigperf.wal_look;
DROP TABLE trigperf.wal_member;
DELETE FROM trigperf.setting WHERE name IN ('wal.alert_bytes', 'wal.max_bytes');
DROP PUBLICATION trigperf;
DELETE FROM trigperf.migration WHERE version = 4;
