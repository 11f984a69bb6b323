-- Takes version 5 back, and with it all that was measured.

DROP FUNCTION trigperf.bracket_sql(regclass, boolean);
-- with the triggers that call them
DROP FUNCTION trigperf.bracket_close() CASCADE;
DROP FUNCTION trigperf.bracket_open() CASCADE;
DROP FUNCTION trigperf.update_trigger_performance_metrics();
DROP FUNCTION trigperf.update_trigger_performance_metrics(text, text, double precision, text, boolean, bigint,
                                                          text, double precision, text);
DROP FUNCTION trigperf.series_sweep();
DROP FUNCTION trigperf.days_merge(int);
DROP FUNCTION trigperf.series_days_merge(int);
DROP FUNCTION trigperf.trigger_days_merge(int);
DROP FUNCTION trigperf.hours_kept_since();
DROP FUNCTION trigperf.series_merge();
DROP FUNCTION trigperf.series_give_up();
DROP FUNCTION trigperf.series_flush(uuid, text, bigint, timestamptz, double precision, text[], text[], text[],
                                    text[], bigint[], bigint[], bigint[], double precision[], text[]);
DROP FUNCTION trigperf.collect(int);
DROP FUNCTION trigperf.sampling_cost();
DROP FUNCTION trigperf.collect_errors(pg_snapshot, pg_snapshot);
DROP FUNCTION trigperf.collect_samples(pg_snapshot, pg_snapshot);
DROP FUNCTION trigperf.collect_functions(timestamptz, boolean, boolean);
DROP FUNCTION trigperf.statistics_lost(trigperf.collect_state);
DROP FUNCTION trigperf.statistics_counters();
DROP FUNCTION trigperf.track_functions_hint();
DROP FUNCTION trigperf.metrics_other_views(timestamptz, timestamptz);
DROP FUNCTION trigperf.trigger_functions();
DROP FUNCTION trigperf.triggers();
DROP FUNCTION trigperf.histogram_quantile(bigint[], float8, bigint);
DROP FUNCTION trigperf.histogram_quantiles(bigint[], float8[], bigint);
DROP FUNCTION trigperf.sorted_quantiles(bigint[], double precision, float8[], bigint);
DROP FUNCTION trigperf.histogram_count(bigint[]);
DROP AGGREGATE trigperf.histogram_sum(bigint[]);
DROP FUNCTION trigperf.histogram_merge(bigint[], bigint[]);
DROP FUNCTION trigperf.histogram_checked(bigint[]);
DROP FUNCTION trigperf.histogram_of(bigint[]);
DROP FUNCTION trigperf.histogram_value(int, bigint);
DROP FUNCTION trigperf.histogram_middle(int);
DROP FUNCTION trigperf.histogram_lower(int);
DROP FUNCTION trigperf.histogram_bucket(bigint);
DROP TABLE trigperf.host_process;
DROP TABLE trigperf.host_series;
DROP TABLE trigperf.host_series_name;
DROP TABLE trigperf.collect_run;
DROP TABLE trigperf.collect_state;
DROP TABLE trigperf.function_snapshot;
DROP TABLE trigperf.trigger_execution_log;
DROP TABLE trigperf.trigger_performance_metrics;
DELETE FROM trigperf.setting WHERE name = 'sample_rate';
DELETE FROM trigperf.migration WHERE version = 5;
