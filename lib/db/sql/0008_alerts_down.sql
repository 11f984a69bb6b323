-- Takes version 8 back.

DROP FUNCTION trigperf.alerts_take();
DROP FUNCTION trigperf.alert_silence(text, double precision);
DROP FUNCTION trigperf.alerts(timestamptz, bigint);
DROP FUNCTION trigperf.alerts_judge(boolean);
DROP FUNCTION trigperf.alert_expire(timestamptz);
DROP FUNCTION trigperf.alert_readings(trigperf.alert_rule, timestamptz);
DROP FUNCTION trigperf.alert_store(trigperf.alert_state);
DROP FUNCTION trigperf.alert_step(trigperf.alert_rule, trigperf.alert_state, timestamptz);
DROP FUNCTION trigperf.alert_tell(trigperf.alert_rule, trigperf.alert_state, double precision, text);
DROP FUNCTION trigperf.alert_text(double precision, text);
DROP FUNCTION trigperf.alert_median(double precision[]);
DROP FUNCTION trigperf.alert_level_name(int);
DROP FUNCTION trigperf.alert_level(trigperf.alert_rule, double precision, int);
DROP FUNCTION trigperf.alert_read_slots();
DROP FUNCTION trigperf.alert_read_outbox();
DROP FUNCTION trigperf.alert_read_cache();
DROP FUNCTION trigperf.alert_read_errors();
DROP FUNCTION trigperf.alert_read_mean();
DROP FUNCTION trigperf.alert_subject(text, text, text);
DROP TABLE trigperf.alert_history;
DROP TABLE trigperf.alert_state;
DROP TABLE trigperf.alert_rule;
DROP TABLE trigperf.alert_run;
DELETE FROM trigperf.setting WHERE name IN ('alert.channel', 'alert.interval_s');
DELETE FROM trigperf.migration WHERE version = 8;
