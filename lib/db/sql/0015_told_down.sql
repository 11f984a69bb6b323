-- Takes version 15 back, as part of taking back all: the functions that it replaced go with version 5.

DROP FUNCTION trigperf.report_errors(timestamptz, timestamptz);
DELETE FROM trigperf.migration WHERE version = 15;
