-- Version 9: jobs, which are units of work that one context of all does for the database.
--
-- Who does a job is decided by a lease, which its holder renews: a lock would outlive a half-open
-- connection for hours. The lease is of the job and not of all jobs, since contexts are configured
-- for different ones. A crash empties the table, and whoever asks first leads.
CREATE UNLOGGED TABLE trigperf.job_lease (
    job         text PRIMARY KEY,
    instance    uuid NOT NULL,
    application text NOT NULL,
    beat        timestamptz NOT NULL,
    lease_ms    int NOT NULL
);

-- The last run of each job, or the one under way.
CREATE TABLE trigperf.job (
    name        text PRIMARY KEY,
    running     boolean NOT NULL DEFAULT false,
    begun_at    timestamptz,
    lost_at     timestamptz, -- when a run without an end counts as lost, whatever its session does
    ended_at    timestamptz,
    pid         int,
    instance    uuid,
    application text,
    outcome     text,
    rows        bigint,
    error       text,
    attempt     int NOT NULL DEFAULT 0, -- runs since the last one that was done
    runs        bigint NOT NULL DEFAULT 0,
    failures    bigint NOT NULL DEFAULT 0,
    listed      bigint -- its newest row in job_run
);

-- The history: runs that failed, and those that did something. Runs within a minute that were done
-- share a row, so that a job of every second does not fill the disk; runs that found nothing to do are
-- counted in trigperf.job and not listed.
CREATE TABLE trigperf.job_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text NOT NULL,
    begun_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('done', 'failed', 'cancelled', 'lost')),
    runs        int NOT NULL DEFAULT 1,
    rows        bigint,
    attempt     int NOT NULL,
    sqlstate    text,
    error       text,
    application text,
    instance    uuid
);
CREATE INDEX job_run_begun_at ON trigperf.job_run (begun_at);

-- The jobs among p_jobs that this context leads: those it led, and those that nobody does.
CREATE FUNCTION trigperf.job_lead(p_instance uuid, p_application text, p_jobs text[], p_lease_ms int)
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
    INSERT INTO trigperf.job_lease AS l (job, instance, application, beat, lease_ms)
    SELECT w.job, p_instance, p_application, moment, p_lease_ms
    FROM unnest(p_jobs) AS w(job)
    WHERE NOT EXISTS (
        SELECT FROM trigperf.job_lease h
        WHERE h.job = w.job AND h.instance <> p_instance
          AND h.beat BETWEEN moment - make_interval(secs => h.lease_ms / 1000.0) AND moment)
    ORDER BY w.job
    ON CONFLICT (job) DO UPDATE
        SET instance = EXCLUDED.instance, application = EXCLUDED.application, beat = EXCLUDED.beat,
            lease_ms = EXCLUDED.lease_ms
        WHERE l.instance = EXCLUDED.instance
           OR l.beat NOT BETWEEN moment - make_interval(secs => l.lease_ms / 1000.0) AND moment
    RETURNING l.job;
END
$$;

CREATE FUNCTION trigperf.job_resign(p_instance uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
    DELETE FROM trigperf.job_lease l WHERE l.instance = p_instance
$$;

-- Lists how a run ended.
CREATE FUNCTION trigperf.job_note(p_run trigperf.job, p_sqlstate text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place bigint := p_run.listed;
BEGIN
    IF p_run.outcome = 'done' THEN
        IF p_run.rows = 0 AND p_run.attempt = 1 THEN
            RETURN place;
        END IF;
        UPDATE trigperf.job_run r
        SET ended_at = p_run.ended_at, runs = r.runs + 1, rows = r.rows + p_run.rows
        WHERE r.id = p_run.listed AND r.outcome = 'done' AND r.instance = p_run.instance
          AND p_run.attempt = 1 AND r.begun_at > p_run.ended_at - interval '1 minute';
        IF FOUND THEN
            RETURN place;
        END IF;
    END IF;
    INSERT INTO trigperf.job_run
        (job, begun_at, ended_at, outcome, rows, attempt, sqlstate, error, application, instance)
    VALUES (p_run.name, p_run.begun_at, p_run.ended_at, p_run.outcome, p_run.rows, p_run.attempt, p_sqlstate,
            p_run.error, p_run.application, p_run.instance)
    RETURNING id INTO place;
    RETURN place;
END
$$;

-- Whether a run may begin now: the context leads the job, nobody runs it, and the last run that was done
-- began p_every_ms ago, give or take a tenth. If not, ask again after wait_ms. A run whose session is
-- gone, or that took longer than it was allowed to, is lost. (Of sessions of other roles nothing but the
-- process id may be seen.)
CREATE FUNCTION trigperf.job_begin(p_job text, p_instance uuid, p_application text, p_every_ms bigint,
    p_limit_ms bigint, OUT go boolean, OUT wait_ms bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    held   trigperf.job;
    due    timestamptz;
BEGIN
    go := false;
    wait_ms := GREATEST(LEAST(p_every_ms, 10000), 100);
    IF NOT EXISTS (SELECT FROM trigperf.job_lease l WHERE l.job = p_job AND l.instance = p_instance) THEN
        RETURN;
    END IF;
    INSERT INTO trigperf.job (name) VALUES (p_job) ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT held FROM trigperf.job j WHERE j.name = p_job FOR UPDATE;
    due := held.begun_at + make_interval(secs => p_every_ms * 0.0009);
    IF held.running THEN
        IF held.pid <> pg_backend_pid() AND held.lost_at > moment AND EXISTS (
            SELECT FROM pg_stat_activity a
            WHERE a.pid = held.pid AND COALESCE(a.backend_start <= held.begun_at, true)) THEN
            RETURN;
        END IF;
        held.outcome := 'lost';
        held.ended_at := moment;
        held.rows := NULL;
        held.error := 'the session that ran it ended first';
        held.listed := trigperf.job_note(held, NULL);
        held.failures := held.failures + 1;
    ELSIF held.outcome = 'done' AND due > moment AND held.begun_at <= moment THEN
        wait_ms := EXTRACT(epoch FROM due - moment) * 1000 + 1;
        RETURN;
    END IF;
    UPDATE trigperf.job j
    SET running = true, begun_at = moment, ended_at = NULL, pid = pg_backend_pid(), instance = p_instance,
        lost_at = moment + make_interval(secs => p_limit_ms / 1000.0), application = p_application,
        attempt = held.attempt + 1, outcome = held.outcome, error = held.error, failures = held.failures,
        listed = held.listed
    WHERE j.name = p_job;
    go := true;
END
$$;

-- The run ended: 'done', 'failed' or 'cancelled'.
CREATE FUNCTION trigperf.job_end(p_job text, p_instance uuid, p_outcome text, p_rows bigint, p_sqlstate text,
                                 p_error text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    held trigperf.job;
BEGIN
    SELECT * INTO held FROM trigperf.job j
    WHERE j.name = p_job AND j.instance = p_instance AND j.running AND j.pid = pg_backend_pid() FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    held.ended_at := clock_timestamp();
    held.outcome := p_outcome;
    held.rows := p_rows;
    held.error := p_error;
    held.listed := trigperf.job_note(held, p_sqlstate);
    UPDATE trigperf.job j
    SET running = false, ended_at = held.ended_at, outcome = p_outcome, rows = p_rows, error = p_error,
        attempt = CASE WHEN p_outcome = 'done' THEN 0 ELSE held.attempt END, runs = j.runs + 1,
        failures = j.failures + CASE WHEN p_outcome = 'failed' THEN 1 ELSE 0 END, listed = held.listed
    WHERE j.name = p_job;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- For those who ask. What a run waits for, and how far its statement has come, is the server's own
-- account of its session.

CREATE FUNCTION trigperf.jobs() RETURNS TABLE (
    name text, leader text, leader_age_s numeric, state text, run_s numeric, waits_for text, progress text,
    begun_at timestamptz, ended_at timestamptz, rows bigint, attempt int, runs bigint, failures bigint,
    error text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(j.name, l.job), l.application,
           round(EXTRACT(epoch FROM clock_timestamp() - l.beat)::numeric, 1),
           CASE WHEN j.running THEN 'running' ELSE j.outcome END,
           CASE WHEN j.running THEN round(EXTRACT(epoch FROM clock_timestamp() - j.begun_at)::numeric, 1) END,
           CASE WHEN j.running THEN a.wait_event_type || ': ' || a.wait_event END,
           CASE WHEN j.running THEN p.phase || COALESCE(' ' || p.done || ' of ' || NULLIF(p.total, 0), '') END,
           j.begun_at, j.ended_at, j.rows, COALESCE(j.attempt, 0), COALESCE(j.runs, 0),
           COALESCE(j.failures, 0), j.error
    FROM trigperf.job j
    FULL JOIN trigperf.job_lease l ON l.job = j.name
    LEFT JOIN pg_stat_activity a ON a.pid = j.pid
    LEFT JOIN (
        SELECT pid, phase, blocks_done, blocks_total FROM pg_stat_progress_create_index
        UNION ALL SELECT pid, phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum
        UNION ALL SELECT pid, phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_cluster
        UNION ALL SELECT pid, phase, sample_blks_scanned, sample_blks_total FROM pg_stat_progress_analyze)
        AS p(pid, phase, done, total) ON p.pid = j.pid
    ORDER BY 1
$$;

-- The newest runs that did not end well.
CREATE FUNCTION trigperf.job_failures(p_rows int DEFAULT 20) RETURNS SETOF trigperf.job_run
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM trigperf.job_run r WHERE r.outcome <> 'done' ORDER BY r.begun_at DESC, r.id DESC LIMIT p_rows
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
