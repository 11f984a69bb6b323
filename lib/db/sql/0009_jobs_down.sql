-- Takes version 9 back.

DROP FUNCTION trigperf.job_failures(int);
DROP FUNCTION trigperf.jobs();
DROP FUNCTION trigperf.job_end(text, uuid, text, bigint, text, text);
DROP FUNCTION trigperf.job_begin(text, uuid, text, bigint, bigint);
DROP FUNCTION trigperf.job_note(trigperf.job, text);
DROP FUNCTION trigperf.job_resign(uuid);
DROP FUNCTION trigperf.job_lead(uuid, text, text[], int);
DROP TABLE trigperf.job_run;
DROP TABLE trigperf.job;
DROP TABLE trigperf.job_lease;
DELETE FROM trigperf.migration WHERE version = 9;
