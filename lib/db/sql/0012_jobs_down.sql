-- Takes version 12 back, as part of taking back all: the status that it replaced goes with version 8.

CREATE OR REPLACE FUNCTION trigperf.status() RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT trigperf.status_parts() $$;
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
DELETE FROM trigperf.migration WHERE version = 12;
