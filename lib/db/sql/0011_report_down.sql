-- Takes version 11 back.

DROP FUNCTION trigperf.report(timestamptz, timestamptz);
DROP FUNCTION trigperf.report_overhead(timestamptz, timestamptz);
DROP FUNCTION trigperf.report_measuring();
DROP FUNCTION trigperf.report_standing();
DROP FUNCTION trigperf.report_timeline(timestamptz, timestamptz);
DROP FUNCTION trigperf.report_errors(timestamptz, timestamptz);
DROP FUNCTION trigperf.report_series(timestamptz, timestamptz);
DROP FUNCTION trigperf.report_triggers(timestamptz, timestamptz);
DROP FUNCTION trigperf.report_period(timestamptz, timestamptz);
DROP FUNCTION trigperf.day_is_merged(timestamptz);
DELETE FROM trigperf.migration WHERE version = 11;
