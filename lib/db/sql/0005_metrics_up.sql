-- Version 5: what triggers cost. Tables of measurements, histograms in SQL, collecting, and the series of
-- hosts.
--
-- Rule of the house: what was not measured is NULL, never 0.

-- ---------------------------------------------------------------------------------------------
-- Tables

-- One row for each measured thing and hour, later day (UTC; day is the hour's). A function that serves one
-- trigger is measured as that trigger; one that serves several is measured as a whole, since the
-- server counts by function: trigger_name is null and shared_by says how many.
--
--   measured   trigger, function   pg_stat_user_functions, and the sampled executions of ours
--              bracket             the triggers of a table between a first and a last one, sampled
--              host                what update_trigger_performance_metrics() was told
CREATE TABLE trigperf.trigger_performance_metrics (
    hour          timestamptz NOT NULL,
    day           date NOT NULL GENERATED ALWAYS AS ((hour AT TIME ZONE 'UTC')::date) STORED,
    measured      text NOT NULL CHECK (measured IN ('trigger', 'function', 'bracket', 'host')),
    table_name    text,
    trigger_name  text,
    function_name text,
    shared_by     int,
    ours          boolean NOT NULL DEFAULT false,
    executions    bigint CHECK (executions >= 0),
    estimated     boolean NOT NULL DEFAULT false,
    total_ms      double precision CHECK (total_ms >= 0),
    self_ms       double precision CHECK (self_ms >= 0),
    mean_ms       double precision GENERATED ALWAYS AS
        (CASE WHEN executions > 0 THEN total_ms / executions END) STORED,
    max_ms        double precision,
    samples       bigint,
    histogram     bigint[],
    encoding      smallint NOT NULL DEFAULT 1 CHECK (encoding = 1),
    errors        bigint,
    skipped       bigint,
    updated_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    whole_day     boolean NOT NULL DEFAULT false,
    UNIQUE NULLS NOT DISTINCT (hour, table_name, trigger_name, function_name)
) WITH (fillfactor = 70);
CREATE INDEX trigger_performance_metrics_by_hour ON trigperf.trigger_performance_metrics (hour) WHERE NOT whole_day;
COMMENT ON COLUMN trigperf.trigger_performance_metrics.whole_day IS
    'the row is of the day that begins with its hour, in place of those of the day''s hours';
COMMENT ON COLUMN trigperf.trigger_performance_metrics.estimated IS
    'executions and total_ms are extrapolated from samples';
COMMENT ON COLUMN trigperf.trigger_performance_metrics.max_ms IS 'the longest one that was sampled';
COMMENT ON COLUMN trigperf.trigger_performance_metrics.histogram IS
    'sampled durations in ns, each counted as many times as the executions it stands for';
COMMENT ON COLUMN trigperf.trigger_performance_metrics.skipped IS
    'executions that found nothing to do, extrapolated from samples';

-- Sampled executions. Readers of new rows compare transaction ids with a snapshot, as those of the
-- outbox do, so that a row is counted once whatever the order of commits.
--
-- It has no CHECK constraints, which the server would parse anew in every statement that writes to it: two
-- were two fifths of what a sampled execution costs. Who reads the log leaves out what is odd.
CREATE TABLE trigperf.trigger_execution_log (
    xid           xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    source        text NOT NULL,
    table_name    text,
    trigger_name  text,
    function_name text,
    operation     text,
    duration_ms   double precision NOT NULL,
    row_count     bigint,
    skipped       boolean,
    weight        int NOT NULL DEFAULT 1,
    error_sqlstate text,
    error_message  text
);
COMMENT ON COLUMN trigperf.trigger_execution_log.weight IS
    'how many executions this one stands for: 100 when one in a hundred is sampled';
CREATE INDEX trigger_execution_log_at ON trigperf.trigger_execution_log (at);
CREATE INDEX trigger_execution_log_xid ON trigperf.trigger_execution_log (xid);

-- Where the server's counters stood when they were last looked at.
CREATE TABLE trigperf.function_snapshot (
    funcid   oid PRIMARY KEY,
    calls    bigint NOT NULL,
    total_ms double precision NOT NULL,
    self_ms  double precision NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE trigperf.collect_state (
    singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    in_database     oid,
    measured_since  timestamptz,
    collected_at    timestamptz,
    looked_at       timestamptz,
    incarnation     uuid,
    counters        bigint[],
    commits         bigint,
    active_ms       double precision,
    sampled         pg_snapshot,
    execution_us    double precision,
    gauged_at       timestamptz,
    merged_at       timestamptz,
    swept_at        timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN trigperf.collect_state.looked_at IS 'when the counters of functions had been read';
COMMENT ON COLUMN trigperf.collect_state.counters IS
    'counters of pg_stat_database: they only go back when all statistics of the database were lost or reset';
COMMENT ON COLUMN trigperf.collect_state.commits IS
    'pg_stat_database.xact_commit';
COMMENT ON COLUMN trigperf.collect_state.active_ms IS
    'pg_stat_database.active_time: what sessions spent executing statements';
COMMENT ON COLUMN trigperf.collect_state.execution_us IS
    'what sampling costs a trigger execution on average, as last gauged';
INSERT INTO trigperf.collect_state DEFAULT VALUES;

-- What collecting itself cost; which transaction ids had been given out at what time; and what the
-- database did since the look before, which the cost of measuring is compared with.
CREATE TABLE trigperf.collect_run (
    at           timestamptz PRIMARY KEY,
    next_xid     xid8 NOT NULL,
    duration_ms  double precision NOT NULL,
    functions    int NOT NULL,
    samples      bigint NOT NULL,
    transactions bigint,
    active_ms    double precision
);
COMMENT ON COLUMN trigperf.collect_run.transactions IS
    'commits since the look before; null: there was none';
COMMENT ON COLUMN trigperf.collect_run.active_ms IS
    'what sessions spent executing statements since the look before; null: there was none';

-- Series of hosts. Each process writes one row a series and hour, which it overwrites: values since
-- the hour began for it, so that writing them twice changes nothing and hours add up. Rows of hours
-- that a process has left are merged into one whose instance is all zeroes.
CREATE TABLE trigperf.host_series_name (
    id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name   text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    kind   text NOT NULL CHECK (kind IN ('counter', 'gauge', 'histogram')),
    help   text,
    UNIQUE (name, labels)
);

CREATE TABLE trigperf.host_series (
    series_id  int NOT NULL,
    hour       timestamptz NOT NULL,
    instance   uuid NOT NULL,
    sequence   bigint NOT NULL,
    count      bigint,
    sum_ns     bigint,
    max_ns     bigint,
    value      double precision,
    histogram  bigint[],
    encoding   smallint NOT NULL DEFAULT 1 CHECK (encoding = 1),
    flushed_at timestamptz NOT NULL,
    whole_day  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (hour, series_id, instance)
) WITH (fillfactor = 70);
CREATE INDEX host_series_by_hour ON trigperf.host_series (hour) WHERE NOT whole_day;
COMMENT ON COLUMN trigperf.host_series.whole_day IS
    'the row is of the day that begins with its hour; its value is that of the last hour';
COMMENT ON COLUMN trigperf.host_series.count IS
    'increase of a counter, or durations of a histogram, in this hour; null for gauges';

CREATE TABLE trigperf.host_process (
    instance    uuid PRIMARY KEY,
    application text,
    hour        timestamptz,
    sequence    bigint NOT NULL,
    flush_ms    double precision,
    seen_at     timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN trigperf.host_process.hour IS
    'the hour it writes to; null once that was merged because nothing was heard of it';

-- sample_rate: which share of the executions of our own triggers is timed and logged. It is written
-- into a capture function when its table is attached.
INSERT INTO trigperf.setting (name, value) VALUES
    ('sample_rate', '0.01');

-- ---------------------------------------------------------------------------------------------
-- Histograms, encoding version 1: bigint[] of bucket << 48 | count, ascending. Bucket 0 is below
-- 1,024 ns; then each octave is cut into 32; 865 is everything from 2^37 ns on.

CREATE FUNCTION trigperf.histogram_bucket(p_ns bigint) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_ns < 1024 THEN 0
            WHEN p_ns >= 137438953472 THEN 865
            ELSE (((get_byte(float8send(p_ns::float8), 0) & 127) * 16
                   + (get_byte(float8send(p_ns::float8), 1) >> 4)) - 1033) * 32
                 + (get_byte(float8send(p_ns::float8), 1) & 15) * 2
                 + (get_byte(float8send(p_ns::float8), 2) >> 7) + 1 END;
COMMENT ON FUNCTION trigperf.histogram_bucket(bigint) IS
    'bucket of a duration in ns: exponent and the five digits behind the leading one, as float8 has them';

CREATE FUNCTION trigperf.histogram_lower(p_bucket int) RETURNS bigint
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE WHEN p_bucket <= 0 THEN 0
            WHEN p_bucket >= 865 THEN 137438953472
            ELSE (32 + ((p_bucket - 1) & 31))::bigint << (5 + ((p_bucket - 1) >> 5)) END;

CREATE FUNCTION trigperf.histogram_middle(p_bucket int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_bucket >= 865 THEN 137438953472
            ELSE (trigperf.histogram_lower(p_bucket) + trigperf.histogram_lower(p_bucket + 1)) / 2 END;

-- What stands for the durations of a bucket: its middle, but never above a known maximum.
CREATE FUNCTION trigperf.histogram_value(p_bucket int, p_max_ns bigint DEFAULT 0) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_max_ns > 0 AND p_max_ns >= trigperf.histogram_lower(p_bucket)
            THEN LEAST(p_max_ns, trigperf.histogram_middle(p_bucket))
            ELSE trigperf.histogram_middle(p_bucket) END;

CREATE FUNCTION trigperf.histogram_of(p_ns bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(array_agg(b.bucket::bigint << 48 | b.count ORDER BY b.bucket), '{}')
    FROM (SELECT trigperf.histogram_bucket(d), count(*) FROM unnest(p_ns) AS d WHERE d IS NOT NULL GROUP BY 1)
         AS b(bucket, count)
$$;

-- The entries themselves, when each names a bucket: what is none is refused, as the C code does.
CREATE FUNCTION trigperf.histogram_checked(p_histogram bigint[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF 0 > ANY (p_histogram) OR 866::bigint << 48 <= ANY (p_histogram) THEN
        RAISE EXCEPTION 'expected a histogram with buckets 0 to 865'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'pass one of encoding version 1';
    END IF;
    RETURN p_histogram;
END
$$;

CREATE FUNCTION trigperf.histogram_merge(p_a bigint[], p_b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p_a IS NULL THEN trigperf.histogram_checked(p_b)
                WHEN p_b IS NULL THEN trigperf.histogram_checked(p_a)
                ELSE (SELECT COALESCE(array_agg(m.bucket << 48 | LEAST(m.count, 281474976710655)::bigint
                                                ORDER BY m.bucket), '{}')
                      FROM (SELECT e >> 48, sum(e & 281474976710655) FROM unnest(trigperf.histogram_checked(p_a || p_b)) AS e GROUP BY 1)
                           AS m(bucket, count)) END
$$;

-- For a few histograms. Of many rows unnest, GROUP BY e >> 48 and one array_agg are five times as
-- quick; doc/sql shows how.
CREATE AGGREGATE trigperf.histogram_sum(bigint[]) (
    SFUNC = trigperf.histogram_merge, STYPE = bigint[], COMBINEFUNC = trigperf.histogram_merge,
    PARALLEL = SAFE);

CREATE FUNCTION trigperf.histogram_count(p_histogram bigint[]) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(sum(e & 281474976710655), 0)::bigint FROM unnest(trigperf.histogram_checked(p_histogram)) AS e
$$;

-- Of the entries of one histogram or several, in ascending order, and the number of durations in them. That
-- brings entries of the same bucket together, and they need not be added up. One pass where the wanted
-- quantiles ascend.
CREATE FUNCTION trigperf.sorted_quantiles(p_entries bigint[], p_count double precision, p_q float8[],
    p_max_ns bigint DEFAULT 0) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found  bigint[];
    passed double precision := 0;
    wanted double precision;
    before double precision := 0;
    place  int := 0;
    q      double precision;
BEGIN
    FOREACH q IN ARRAY COALESCE(p_q, '{}') LOOP
        wanted := CASE WHEN p_count > 0 AND q IS NOT NULL THEN LEAST(GREATEST(ceil(q * p_count), 1), p_count) END;
        IF wanted < before THEN
            place := 0;
            passed := 0;
        END IF;
        WHILE passed < wanted AND place < cardinality(p_entries) LOOP
            place := place + 1;
            passed := passed + (p_entries[place] & 281474976710655);
        END LOOP;
        found := array_append(found, CASE WHEN wanted IS NOT NULL
                                          THEN trigperf.histogram_value((p_entries[place] >> 48)::int, p_max_ns) END);
        before := COALESCE(wanted, before);
    END LOOP;
    RETURN found;
END
$$;

-- Quantiles as percentile_disc() defines them, in ns; null of an empty histogram.
CREATE FUNCTION trigperf.histogram_quantiles(p_histogram bigint[], p_q float8[], p_max_ns bigint DEFAULT 0)
RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entries bigint[];
    total   double precision;
BEGIN
    IF NOT (0 <= ALL (p_q) AND 1 >= ALL (p_q)) THEN
        RAISE EXCEPTION 'expected quantiles from 0 to 1, got %', p_q
            USING ERRCODE = 'invalid_parameter_value', HINT = 'the median is 0.5';
    END IF;
    SELECT array_agg(e ORDER BY e), sum((e & 281474976710655)::float8) INTO entries, total
    FROM unnest(trigperf.histogram_checked(p_histogram)) AS e WHERE e IS NOT NULL;
    RETURN trigperf.sorted_quantiles(entries, total, p_q, p_max_ns);
END
$$;

CREATE FUNCTION trigperf.histogram_quantile(p_histogram bigint[], p_q float8, p_max_ns bigint DEFAULT 0)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (trigperf.histogram_quantiles(p_histogram, ARRAY[p_q], p_max_ns))[1]
$$;

-- ---------------------------------------------------------------------------------------------
-- Which triggers there are, and which function each calls. Clones that partitions have of a row
-- trigger count as the one of the partitioned table; those of constraints are the server's own.

CREATE FUNCTION trigperf.triggers() RETURNS TABLE (
    relid oid, table_name text, trigger_name text, funcid oid, function_name text, ours boolean,
    enabled boolean, level text, timing text, events text[], captured_id int)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.tgrelid, format('%I.%I', n.nspname, c.relname), g.tgname::text, g.tgfoid,
           format('%I.%I', m.nspname, p.proname), m.nspname = 'trigperf', g.tgenabled IN ('O', 'A'),
           CASE WHEN g.tgtype & 1 = 1 THEN 'row' ELSE 'statement' END,
           CASE WHEN g.tgtype & 64 <> 0 THEN 'instead of' WHEN g.tgtype & 2 <> 0 THEN 'before' ELSE 'after' END,
           array_remove(ARRAY[CASE WHEN g.tgtype & 4 <> 0 THEN 'insert' END,
                              CASE WHEN g.tgtype & 16 <> 0 THEN 'update' END,
                              CASE WHEN g.tgtype & 8 <> 0 THEN 'delete' END,
                              CASE WHEN g.tgtype & 32 <> 0 THEN 'truncate' END], NULL),
           t.id
    FROM pg_trigger g
    JOIN pg_class c ON c.oid = g.tgrelid AND c.relpersistence <> 't'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_proc p ON p.oid = g.tgfoid
    JOIN pg_namespace m ON m.oid = p.pronamespace
    LEFT JOIN trigperf.captured_table t ON m.nspname = 'trigperf' AND t.function_name = p.proname
    WHERE NOT g.tgisinternal AND g.tgparentid = 0
$$;

-- What a function's figures are filed under. Of a captured table it is the table, whatever parts of
-- it have triggers; of a function that several tables share, no table.
CREATE FUNCTION trigperf.trigger_functions() RETURNS TABLE (
    funcid oid, function_name text, ours boolean, measured text, table_name text, trigger_name text,
    shared_by int, captured_id int)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid, format('%I.%I', m.nspname, p.proname), m.nspname = 'trigperf',
           CASE WHEN s.count = 1 THEN 'trigger' ELSE 'function' END,
           CASE WHEN t.id IS NOT NULL THEN format('%I.%I', t.schema_name, t.table_name)
                WHEN s.first_table = s.last_table THEN s.first_table END,
           CASE WHEN s.count = 1 THEN s.first_trigger END, COALESCE(s.count, 0)::int, t.id
    FROM pg_proc p
    JOIN pg_namespace m ON m.oid = p.pronamespace
    LEFT JOIN trigperf.captured_table t ON m.nspname = 'trigperf' AND t.function_name = p.proname
    LEFT JOIN (SELECT g.funcid, count(*), min(g.table_name), max(g.table_name), min(g.trigger_name)
               FROM trigperf.triggers() g GROUP BY g.funcid)
         AS s(funcid, count, first_table, last_table, first_trigger) ON s.funcid = p.oid
    WHERE p.prorettype = 'trigger'::regtype
$$;

-- Entries that tell of executions which another one counts, in a time: what a trigger told of itself where
-- the server counted its function (of_function; alone: which serves this trigger only), and brackets, which
-- time several triggers together, with their own triggers. A trigger is known by what it may have told: the
-- name of its table with and without schema and quotes, or of a partition; and under the names of before.
CREATE FUNCTION trigperf.metrics_other_views(p_since timestamptz, p_until timestamptz) RETURNS TABLE (
    table_name text, trigger_name text, function_name text, of_function text, alone boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH entries AS MATERIALIZED (
        SELECT m.measured, m.table_name, m.trigger_name, m.function_name, sum(m.executions) AS executions
        FROM trigperf.trigger_performance_metrics m
        WHERE m.hour >= p_since AND m.hour < p_until GROUP BY 1, 2, 3, 4),
    counted AS (
        SELECT e.function_name, bool_and(e.measured = 'trigger') AS alone
        FROM entries e WHERE e.measured IN ('trigger', 'function') AND e.executions > 0 GROUP BY 1),
    told AS MATERIALIZED (SELECT e.table_name, e.trigger_name FROM entries e WHERE e.measured = 'host'),
    known AS (
        SELECT t.table_name, t.trigger_name, format('%I.%I', m.nspname, p.proname) AS function_name, true AS present
        FROM told t
        JOIN pg_trigger g ON g.tgname::text = t.trigger_name AND NOT g.tgisinternal
        JOIN pg_class c ON c.oid = g.tgrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_proc p ON p.oid = g.tgfoid
        JOIN pg_namespace m ON m.oid = p.pronamespace
        WHERE t.table_name IN (format('%I.%I', n.nspname, c.relname), format('%s.%s', n.nspname, c.relname),
                               quote_ident(c.relname), c.relname::text)
           OR t.table_name IS NULL
        UNION
        SELECT t.table_name, t.trigger_name, e.function_name, false
        FROM told t JOIN entries e
          ON e.measured = 'trigger' AND e.table_name = t.table_name AND e.trigger_name = t.trigger_name)
    SELECT k.table_name, k.trigger_name, NULL::text,
           (array_agg(k.function_name ORDER BY k.present DESC, k.function_name))[1],
           bool_and(c.alone) AND count(DISTINCT k.function_name) = 1
    FROM known k JOIN counted c ON c.function_name = k.function_name GROUP BY 1, 2
    UNION ALL
    SELECT e.table_name, e.trigger_name, e.function_name, NULL, false
    FROM entries e
    WHERE e.measured = 'bracket' OR e.function_name IN ('trigperf.bracket_open', 'trigperf.bracket_close')
$$;

-- How to switch the server's counters on, in the words of whoever runs it; null when they are on.
CREATE FUNCTION trigperf.track_functions_hint() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN current_setting('track_functions') <> 'none' THEN NULL
        WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser') THEN
            'set track_functions = pl in the parameter group of the instance'
        WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudsqlsuperuser') THEN
            'set the database flag track_functions = pl of the instance'
        WHEN EXISTS (SELECT FROM pg_roles WHERE rolname IN ('azure_pg_admin', 'azuresu')) THEN
            'set the server parameter track_functions = PL'
        ELSE format('as a superuser: ALTER DATABASE %I SET track_functions = ''pl''; or let a role do so: '
                    'GRANT SET ON PARAMETER track_functions TO ..; sessions that are open keep what they had',
                    current_database())
    END
$$;

-- ---------------------------------------------------------------------------------------------
-- Collecting. The server counts calls of functions since some moment; what was added since the last
-- look belongs to the present hour. A function's count is new, and all of it counts, when it went back,
-- when the function was not there at the last look, and when all statistics began anew since then, which
-- also tells of functions whose count has passed its old value. The very first look only notes where the
-- counters stand.

-- Counters of the database that only grow. They are reset together with those of all its functions, and
-- never by resetting single tables or functions, which dates pg_stat_database like a reset of everything.
CREATE FUNCTION trigperf.statistics_counters() RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY[d.xact_commit, d.xact_rollback, d.blks_hit, d.tup_returned, d.tup_fetched, d.tup_inserted,
                 d.tup_updated, d.tup_deleted, d.sessions, d.session_time::bigint]
    FROM pg_stat_database d WHERE d.datname = current_database()
$$;

-- Whether all counters began anew since the last look. After a crash they did, and that is told however many
-- calls there were since: a crash empties UNLOGGED tables, and so the incarnation is another. A reset is told
-- by the counters of the database, any of which went back. One whose date lies before the end of the last look
-- may have come between reading the database's counters and those of functions; then each function tells for
-- itself, as it does when all of these counters have passed their old values.
CREATE FUNCTION trigperf.statistics_lost(p_state trigperf.collect_state) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT trigperf.incarnation_get() IS DISTINCT FROM p_state.incarnation
           OR (EXISTS (SELECT FROM unnest(trigperf.statistics_counters(), p_state.counters) AS c(present, former)
                       WHERE c.present < c.former)
               AND COALESCE(d.stats_reset > p_state.looked_at, true))
    FROM pg_stat_database d WHERE d.datname = current_database()
$$;

-- Adds what functions did since the last look; returns how many did something. With p_first nothing
-- is added, with p_lost all of what stands there.
CREATE FUNCTION trigperf.collect_functions(p_hour timestamptz, p_first boolean, p_lost boolean) RETURNS int
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    active int;
BEGIN
    WITH present AS MATERIALIZED (
        SELECT p.oid AS funcid, pg_stat_get_function_calls(p.oid) AS calls,
               pg_stat_get_function_total_time(p.oid) AS total_ms,
               pg_stat_get_function_self_time(p.oid) AS self_ms
        FROM pg_proc p WHERE p.prorettype = 'trigger'::regtype),
    compared AS MATERIALIZED (
        SELECT n.*, f.calls AS old_calls,
               f.funcid IS NULL OR p_lost OR n.calls < f.calls OR n.total_ms < f.total_ms AS fresh,
               f.total_ms AS old_total_ms, f.self_ms AS old_self_ms
        FROM present n LEFT JOIN trigperf.function_snapshot f ON f.funcid = n.funcid
        WHERE n.calls IS NOT NULL),
    gone AS (
        DELETE FROM trigperf.function_snapshot f
        WHERE NOT EXISTS (SELECT FROM compared c WHERE c.funcid = f.funcid)),
    noted AS (
        INSERT INTO trigperf.function_snapshot AS f (funcid, calls, total_ms, self_ms)
        SELECT c.funcid, c.calls, c.total_ms, c.self_ms FROM compared c
        WHERE c.calls IS DISTINCT FROM c.old_calls OR c.fresh OR c.total_ms <> c.old_total_ms
        ON CONFLICT (funcid) DO UPDATE
            SET calls = EXCLUDED.calls, total_ms = EXCLUDED.total_ms, self_ms = EXCLUDED.self_ms),
    added AS MATERIALIZED (
        SELECT c.funcid, CASE WHEN c.fresh THEN c.calls ELSE c.calls - c.old_calls END AS calls,
               CASE WHEN c.fresh THEN c.total_ms ELSE c.total_ms - c.old_total_ms END AS total_ms,
               CASE WHEN c.fresh THEN c.self_ms ELSE GREATEST(c.self_ms - c.old_self_ms, 0) END AS self_ms
        FROM compared c WHERE NOT p_first)
    INSERT INTO trigperf.trigger_performance_metrics AS m
        (hour, measured, table_name, trigger_name, function_name, shared_by, ours, executions, total_ms,
         self_ms, errors)
    SELECT p_hour, t.measured, t.table_name, t.trigger_name, t.function_name, t.shared_by, t.ours,
           a.calls, a.total_ms, a.self_ms, CASE WHEN t.captured_id IS NOT NULL THEN 0 END
    FROM added a JOIN trigperf.trigger_functions() t ON t.funcid = a.funcid
    WHERE a.calls > 0
    ON CONFLICT (hour, table_name, trigger_name, function_name) DO UPDATE
        SET executions = COALESCE(m.executions, 0) + EXCLUDED.executions,
            total_ms = COALESCE(m.total_ms, 0) + EXCLUDED.total_ms,
            self_ms = COALESCE(m.self_ms, 0) + EXCLUDED.self_ms,
            errors = COALESCE(m.errors, EXCLUDED.errors),
            shared_by = EXCLUDED.shared_by, updated_at = clock_timestamp();
    GET DIAGNOSTICS active = ROW_COUNT;
    RETURN active;
END
$$;

-- Adds sampled executions that became visible between two snapshots; returns how many rows they were.
-- A row of ours is filed under its function, one of a bracket or a host under what it names.
CREATE FUNCTION trigperf.collect_samples(p_from pg_snapshot, p_to pg_snapshot) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running xid8[] := ARRAY(SELECT pg_snapshot_xip(p_from));
    folded  bigint;
BEGIN
    WITH fresh AS MATERIALIZED (
        SELECT l.*, date_trunc('hour', l.at, 'UTC') AS hour, round(l.duration_ms * 1000000)::bigint AS ns
        FROM trigperf.trigger_execution_log l
        WHERE (l.xid >= pg_snapshot_xmax(p_from) OR l.xid = ANY (running))
          AND pg_visible_in_snapshot(l.xid, p_to)
          AND l.source IN ('capture', 'bracket', 'host') AND l.weight BETWEEN 1 AND 1000000
          AND l.duration_ms BETWEEN -1e12 AND 1e12),
    filed AS MATERIALIZED (
        SELECT f.hour, f.ns, f.weight, GREATEST(f.duration_ms, 0) AS duration_ms, f.skipped,
               f.error_sqlstate, f.error_message,
               CASE WHEN f.source = 'capture' THEN COALESCE(t.measured, 'function') ELSE f.source END AS measured,
               CASE WHEN t.captured_id IS NOT NULL THEN t.table_name ELSE f.table_name END AS table_name,
               CASE WHEN f.source = 'capture' THEN t.trigger_name ELSE f.trigger_name END AS trigger_name,
               f.function_name, COALESCE(t.shared_by, 1) AS shared_by
        FROM fresh f
        LEFT JOIN (SELECT * FROM trigperf.trigger_functions() x
                   WHERE x.function_name IN (SELECT DISTINCT function_name FROM fresh)) AS t
          ON t.function_name = f.function_name),
    buckets AS (
        SELECT b.hour, b.table_name, b.trigger_name, b.function_name,
               array_agg(b.bucket << 48 | LEAST(b.count, 281474976710655) ORDER BY b.bucket) AS histogram
        FROM (SELECT f.hour, f.table_name, f.trigger_name, f.function_name,
                     trigperf.histogram_bucket(f.ns)::bigint, sum(f.weight)::bigint
              FROM filed f GROUP BY 1, 2, 3, 4, 5)
             AS b(hour, table_name, trigger_name, function_name, bucket, count)
        GROUP BY 1, 2, 3, 4),
    sums AS (
        SELECT f.hour, f.table_name, f.trigger_name, f.function_name, min(f.measured) AS measured,
               max(f.shared_by) AS shared_by, count(*) AS samples, sum(f.weight) AS executions,
               sum(f.weight * f.duration_ms) AS total_ms, max(f.duration_ms) AS max_ms,
               COALESCE(sum(f.weight) FILTER (WHERE f.skipped), 0) AS skipped,
               COALESCE(sum(f.weight) FILTER (WHERE f.error_message IS NOT NULL OR f.error_sqlstate IS NOT NULL), 0) AS errors,
               bool_or(f.skipped IS NOT NULL) AS tells_skips
        FROM filed f GROUP BY 1, 2, 3, 4),
    written AS (
        INSERT INTO trigperf.trigger_performance_metrics AS m
            (hour, measured, table_name, trigger_name, function_name, shared_by, ours, executions,
             estimated, total_ms, max_ms, samples, histogram, errors, skipped)
        SELECT s.hour, s.measured, s.table_name, s.trigger_name, s.function_name, s.shared_by,
               s.measured IN ('trigger', 'function'),
               CASE WHEN s.measured IN ('bracket', 'host') THEN s.executions END,
               s.measured IN ('bracket', 'host'),
               CASE WHEN s.measured IN ('bracket', 'host') THEN s.total_ms END,
               s.max_ms, s.samples, b.histogram,
               CASE WHEN s.measured = 'host' THEN s.errors WHEN s.measured <> 'bracket' THEN 0 END,
               CASE WHEN s.tells_skips THEN s.skipped END
        FROM sums s JOIN buckets b
          ON b.hour = s.hour AND b.table_name IS NOT DISTINCT FROM s.table_name
         AND b.trigger_name IS NOT DISTINCT FROM s.trigger_name
         AND b.function_name IS NOT DISTINCT FROM s.function_name
        ON CONFLICT (hour, table_name, trigger_name, function_name) DO UPDATE
            SET executions = CASE WHEN m.estimated THEN m.executions + EXCLUDED.executions ELSE m.executions END,
                total_ms = CASE WHEN m.estimated THEN m.total_ms + EXCLUDED.total_ms ELSE m.total_ms END,
                max_ms = GREATEST(m.max_ms, EXCLUDED.max_ms),
                samples = COALESCE(m.samples, 0) + EXCLUDED.samples,
                histogram = trigperf.histogram_merge(m.histogram, EXCLUDED.histogram),
                errors = CASE WHEN m.measured = 'host' THEN m.errors + EXCLUDED.errors ELSE m.errors END,
                skipped = CASE WHEN COALESCE(m.skipped, EXCLUDED.skipped) IS NOT NULL
                               THEN COALESCE(m.skipped, 0) + COALESCE(EXCLUDED.skipped, 0) END,
                updated_at = clock_timestamp())
    SELECT count(*) INTO folded FROM fresh;
    RETURN folded;
END
$$;

-- Adds errors of capture functions that became visible between two snapshots.
CREATE FUNCTION trigperf.collect_errors(p_from pg_snapshot, p_to pg_snapshot) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running xid8[] := ARRAY(SELECT pg_snapshot_xip(p_from));
BEGIN
    INSERT INTO trigperf.trigger_performance_metrics AS m
        (hour, measured, table_name, trigger_name, function_name, shared_by, ours, errors)
    SELECT e.hour, t.measured, t.table_name, t.trigger_name, t.function_name, t.shared_by, true, sum(e.count)
    FROM (SELECT date_trunc('hour', l.occurred_at, 'UTC'), l.table_name, count(*)
          FROM trigperf.trigger_error_log l
          WHERE (l.xid >= pg_snapshot_xmax(p_from) OR l.xid = ANY (running))
            AND pg_visible_in_snapshot(l.xid, p_to)
            AND l.operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
          GROUP BY 1, 2) AS e(hour, table_name, count)
    JOIN trigperf.captured_table c
      ON e.table_name IN (format('%I.%I', c.schema_name, c.table_name), c.relid::regclass::text)
      OR pg_partition_root(to_regclass(e.table_name)) = c.relid
    JOIN trigperf.trigger_functions() t ON t.captured_id = c.id
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (hour, table_name, trigger_name, function_name) DO UPDATE
        SET errors = COALESCE(m.errors, 0) + EXCLUDED.errors, updated_at = clock_timestamp();
END
$$;

-- What sampling costs an execution, in microseconds, gauged as it stands in capture functions: the question
-- that every execution asks at its beginning and the one at its end, that of the chosen transactions (all of
-- them, where more than a tenth is sampled), and the share that writes a row; the rows are removed again. The
-- least of three counts, since whatever else the machine does adds.
CREATE FUNCTION trigperf.sampling_cost() RETURNS double precision
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rounds  constant int := 2000;
    rows    constant int := 10;
    rate    double precision := (SELECT value::double precision FROM trigperf.setting WHERE name = 'sample_rate');
    least_of double precision[] := ARRAY['Infinity', 'Infinity', 'Infinity', 'Infinity'];
    started timestamptz;
    begun   timestamptz;
    timed   boolean;
BEGIN
    FOR turn IN 1 .. 3 LOOP
        started := clock_timestamp();
        FOR i IN 1 .. rounds LOOP
            NULL;
        END LOOP;
        least_of[1] := LEAST(least_of[1], EXTRACT(epoch FROM clock_timestamp() - started) / rounds);
        started := clock_timestamp();
        FOR i IN 1 .. rounds LOOP
            IF CURRENT_TIMESTAMP(5) OPERATOR(pg_catalog.=) '2000-01-01 00:00:00+00'::pg_catalog.timestamptz THEN
                begun := started;
            END IF;
            IF timed THEN
                NULL;
            END IF;
        END LOOP;
        least_of[2] := LEAST(least_of[2], EXTRACT(epoch FROM clock_timestamp() - started) / rounds);
        started := clock_timestamp();
        FOR i IN 1 .. rounds LOOP
            IF pg_catalog.interval_hash(pg_catalog.clock_timestamp()
                OPERATOR(pg_catalog.-) '2000-01-01 00:00:00+00'::pg_catalog.timestamptz)
                OPERATOR(pg_catalog.<) (-2147483648) THEN
                begun := started;
            END IF;
        END LOOP;
        least_of[3] := LEAST(least_of[3], EXTRACT(epoch FROM clock_timestamp() - started) / rounds);
        started := clock_timestamp();
        FOR i IN 1 .. rows LOOP
            INSERT INTO trigperf.trigger_execution_log (source, table_name, trigger_name, function_name, operation,
                duration_ms, row_count, skipped, weight)
            VALUES ('host', format('%I.%I', 'trigperf', 'nothing'), 'trigperf gauges itself', 'trigperf.sampling_cost',
                'INSERT', date_part('epoch', clock_timestamp() - started), 1, false, 1);
        END LOOP;
        least_of[4] := LEAST(least_of[4], EXTRACT(epoch FROM clock_timestamp() - started) / rows);
    END LOOP;
    DELETE FROM trigperf.trigger_execution_log WHERE xid = pg_current_xact_id() AND source = 'host'
        AND trigger_name = 'trigperf gauges itself';
    RETURN CASE WHEN rate > 0 THEN 1000000 * (GREATEST(least_of[2] - least_of[1], 0)
        + GREATEST(least_of[3] - least_of[1], 0) * CASE WHEN rate < 0.1 THEN 0.1 ELSE 1 END + rate * least_of[4])
        ELSE 0 END;
END
$$;

-- One look. Only one session looks at a time; another is told so. With p_unless_within_ms nothing is
-- done when the last look was less long ago: then anyone may call it as often as he likes.
CREATE FUNCTION trigperf.collect(p_unless_within_ms int DEFAULT 0) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    begun    timestamptz := clock_timestamp();
    here     oid := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    state    trigperf.collect_state;
    present  pg_snapshot;
    database pg_stat_database;
    lost     boolean;
    first    boolean;
    active   int;
    looked   timestamptz;
    samples  bigint := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612005) THEN
        RETURN json_build_object('collected', false, 'reason', 'another session is collecting');
    END IF;
    SELECT * INTO STRICT state FROM trigperf.collect_state;
    IF state.collected_at > begun - make_interval(secs => p_unless_within_ms / 1000.0)
        AND state.collected_at <= begun THEN
        RETURN json_build_object('collected', false, 'reason', 'collected a moment ago');
    END IF;
    present := pg_current_snapshot();
    first := state.in_database IS DISTINCT FROM here
             OR pg_snapshot_xmax(state.sampled) > pg_snapshot_xmax(present);
    lost := trigperf.statistics_lost(state) AND NOT first;
    state.counters := trigperf.statistics_counters();
    IF first THEN
        DELETE FROM trigperf.function_snapshot;
    END IF;
    active := trigperf.collect_functions(date_trunc('hour', begun, 'UTC'), first, lost);
    looked := clock_timestamp();
    IF NOT first THEN
        samples := trigperf.collect_samples(state.sampled, present);
        PERFORM trigperf.collect_errors(state.sampled, present);
    END IF;
    IF state.gauged_at IS NULL OR state.gauged_at < begun - interval '1 hour' OR state.gauged_at > begun THEN
        state.execution_us := trigperf.sampling_cost();
        state.gauged_at := begun;
    END IF;
    SELECT * INTO STRICT database FROM pg_stat_database d WHERE d.datname = current_database();
    UPDATE trigperf.collect_state c
    SET in_database = here, measured_since = CASE WHEN first THEN begun ELSE c.measured_since END,
        collected_at = begun, sampled = present, execution_us = state.execution_us, gauged_at = state.gauged_at,
        looked_at = looked, incarnation = trigperf.incarnation_get(), counters = state.counters,
        commits = database.xact_commit, active_ms = database.active_time;
    INSERT INTO trigperf.collect_run (at, next_xid, duration_ms, functions, samples, transactions, active_ms)
    VALUES (begun, pg_snapshot_xmax(present), EXTRACT(epoch FROM clock_timestamp() - begun) * 1000, active, samples,
            CASE WHEN NOT first THEN database.xact_commit
                - CASE WHEN lost OR database.xact_commit < state.commits THEN 0 ELSE state.commits END END,
            CASE WHEN NOT first THEN database.active_time
                - CASE WHEN lost OR database.active_time < state.active_ms THEN 0 ELSE state.active_ms END END)
    ON CONFLICT DO NOTHING;
    RETURN json_build_object('collected', true, 'at', begun, 'first', first, 'statistics_lost', lost,
        'functions', active, 'samples', samples,
        'duration_ms', EXTRACT(epoch FROM clock_timestamp() - begun) * 1000,
        'track_functions', current_setting('track_functions'), 'hint', trigperf.track_functions_hint());
END
$$;

-- ---------------------------------------------------------------------------------------------
-- Series of hosts. A process names the hour that its values count from (null: it does not know yet)
-- and is told the present one; when that is another, it counts from what it has just written. Its
-- hour in host_process moves only when it writes to the next one, which proves that it was told. A
-- statement that comes late, from a connection given up long ago, has a smaller number and is ignored.
-- A process that was given up, or is not known although it was told an hour, is told so (accepted
-- false): it counts anew, since nobody knows what of its values was written.
CREATE FUNCTION trigperf.series_flush(p_instance uuid, p_application text, p_sequence bigint,
    p_hour timestamptz, p_flush_ms double precision, p_names text[], p_labels text[], p_kinds text[],
    p_helps text[], p_counts bigint[], p_sums bigint[], p_maxima bigint[], p_values double precision[],
    p_histograms text[], OUT hour timestamptz, OUT accepted boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    known trigperf.host_process;
    place timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7460391845612006);
    hour := date_trunc('hour', clock_timestamp(), 'UTC');
    SELECT * INTO known FROM trigperf.host_process h WHERE h.instance = p_instance FOR UPDATE;
    accepted := known.instance IS NULL AND p_hour IS NULL OR known.hour IS NOT NULL;
    place := CASE WHEN accepted THEN COALESCE(p_hour, known.hour, hour) ELSE hour END;
    INSERT INTO trigperf.host_process AS h (instance, application, hour, sequence, flush_ms, seen_at)
    VALUES (p_instance, p_application, place, p_sequence, p_flush_ms, clock_timestamp())
    ON CONFLICT (instance) DO UPDATE
        SET application = EXCLUDED.application, hour = EXCLUDED.hour, sequence = EXCLUDED.sequence,
            flush_ms = COALESCE(EXCLUDED.flush_ms, h.flush_ms), seen_at = EXCLUDED.seen_at
        WHERE h.sequence < EXCLUDED.sequence;
    IF NOT FOUND OR NOT accepted THEN
        RETURN;
    END IF;
    INSERT INTO trigperf.host_series_name (name, labels, kind, help)
    SELECT u.name, u.labels::jsonb, u.kind, u.help
    FROM unnest(p_names, p_labels, p_kinds, p_helps) AS u(name, labels, kind, help)
    WHERE NOT EXISTS (SELECT FROM trigperf.host_series_name n
                      WHERE n.name = u.name AND n.labels = u.labels::jsonb)
    ON CONFLICT DO NOTHING;
    INSERT INTO trigperf.host_series AS s
        (series_id, hour, instance, sequence, count, sum_ns, max_ns, value, histogram, flushed_at)
    SELECT n.id, place, p_instance, p_sequence, u.count, u.sum_ns, u.max_ns, u.value, u.histogram::bigint[],
           clock_timestamp()
    FROM unnest(p_names, p_labels, p_counts, p_sums, p_maxima, p_values, p_histograms)
         AS u(name, labels, count, sum_ns, max_ns, value, histogram)
    JOIN trigperf.host_series_name n ON n.name = u.name AND n.labels = u.labels::jsonb
    ON CONFLICT (hour, series_id, instance) DO UPDATE
        SET sequence = EXCLUDED.sequence, count = EXCLUDED.count, sum_ns = EXCLUDED.sum_ns,
            max_ns = EXCLUDED.max_ns, value = EXCLUDED.value, histogram = EXCLUDED.histogram,
            flushed_at = EXCLUDED.flushed_at
        WHERE s.sequence < EXCLUDED.sequence;
END
$$;

-- Whoever was silent for two days is given up.
CREATE FUNCTION trigperf.series_give_up() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE trigperf.host_process h SET hour = NULL
    WHERE h.hour IS NOT NULL AND h.seen_at < clock_timestamp() - interval '2 days'
$$;

-- Merges rows of hours that their processes have left.
CREATE FUNCTION trigperf.series_merge() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
    merged bigint;
BEGIN
    PERFORM trigperf.series_give_up();
    WITH left_behind AS MATERIALIZED (
        SELECT s.series_id, s.hour, s.instance
        FROM (SELECT s.*, count(*) OVER (PARTITION BY s.hour, s.series_id) AS rows
              FROM trigperf.host_series s
              WHERE s.hour > clock_timestamp() - interval '3 days'
                AND NOT EXISTS (SELECT FROM trigperf.host_process h
                                WHERE h.instance = s.instance AND h.hour <= s.hour)) AS s
        WHERE s.rows > 1),
    taken AS (
        DELETE FROM trigperf.host_series s USING left_behind l
        WHERE s.hour = l.hour AND s.series_id = l.series_id AND s.instance = l.instance
          AND s.instance <> nobody
        RETURNING s.*),
    buckets AS (
        SELECT b.series_id, b.hour, array_agg(b.bucket << 48 | b.count ORDER BY b.bucket) AS histogram
        FROM (SELECT t.series_id, t.hour, e >> 48, LEAST(sum(e & 281474976710655), 281474976710655)::bigint
              FROM taken t CROSS JOIN LATERAL unnest(t.histogram) AS e GROUP BY 1, 2, 3)
             AS b(series_id, hour, bucket, count)
        GROUP BY 1, 2),
    -- LEAST leaves NULL out, so that what is not counted must make its other argument NULL as well.
    sums AS (
        SELECT t.series_id, t.hour, LEAST(sum(t.count), sum(0 * t.count) + 9223372036854775807)::bigint AS count,
               LEAST(sum(t.sum_ns), sum(0 * t.sum_ns) + 9223372036854775807)::bigint AS sum_ns,
               CASE WHEN bool_and(t.max_ns > 0 OR t.count = 0) THEN max(t.max_ns) ELSE 0 END AS max_ns,
               sum(t.value) AS value, max(t.flushed_at) AS flushed_at
        FROM taken t GROUP BY 1, 2),
    written AS (
        INSERT INTO trigperf.host_series AS s
            (series_id, hour, instance, sequence, count, sum_ns, max_ns, value, histogram, flushed_at)
        SELECT t.series_id, t.hour, nobody, 0, t.count, t.sum_ns, t.max_ns, t.value, b.histogram, t.flushed_at
        FROM sums t LEFT JOIN buckets b ON b.series_id = t.series_id AND b.hour = t.hour
        ON CONFLICT (hour, series_id, instance) DO UPDATE
            SET count = LEAST(s.count::numeric + EXCLUDED.count,
                              0::numeric * s.count * EXCLUDED.count + 9223372036854775807)::bigint,
                sum_ns = LEAST(s.sum_ns::numeric + EXCLUDED.sum_ns,
                               0::numeric * s.sum_ns * EXCLUDED.sum_ns + 9223372036854775807)::bigint,
                max_ns = CASE WHEN s.max_ns > 0 AND EXCLUDED.max_ns > 0
                              THEN GREATEST(s.max_ns, EXCLUDED.max_ns) ELSE 0 END,
                value = s.value + EXCLUDED.value,
                histogram = trigperf.histogram_merge(s.histogram, EXCLUDED.histogram),
                flushed_at = GREATEST(s.flushed_at, EXCLUDED.flushed_at))
    SELECT count(*) INTO merged FROM taken;
    RETURN merged;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- The hours of closed days become days, so that a month of measurements is thirty rows of a trigger or
-- series and not seven hundred. Three whole days (UTC) stay by hour. Merging adds up what a report would add
-- up: counts and sums, the maximum, histograms bucket by bucket, of gauges the last hour. Each call merges
-- some series of one day, all of their hours at once, in one transaction: what an interruption leaves is
-- merged by the next call. An hour that comes late, from a transaction that was open for days, is a row of
-- its own until the next call adds it to its day.

CREATE FUNCTION trigperf.hours_kept_since() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT date_trunc('day', clock_timestamp(), 'UTC') - interval '72 hours'
$$;

-- About p_rows rows are taken; the result is how many. Not while somebody collects, who writes to the same rows.
CREATE FUNCTION trigperf.trigger_days_merge(p_rows int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    midnight timestamptz;
    merged   bigint;
BEGIN
    SELECT date_trunc('day', min(m.hour), 'UTC') INTO midnight FROM trigperf.trigger_performance_metrics m
    WHERE NOT m.whole_day AND m.hour < trigperf.hours_kept_since();
    IF midnight IS NULL OR NOT pg_try_advisory_xact_lock(7460391845612005) THEN
        RETURN 0;
    END IF;
    WITH numbered AS MATERIALIZED (
        SELECT m.ctid AS place, m.whole_day,
               dense_rank() OVER (ORDER BY m.table_name COLLATE "C", m.trigger_name COLLATE "C",
                                           m.function_name COLLATE "C") AS number
        FROM trigperf.trigger_performance_metrics m
        WHERE m.hour >= midnight AND m.hour < midnight + interval '24 hours'),
    chosen AS (
        SELECT n.number FROM numbered n GROUP BY 1 HAVING NOT bool_and(n.whole_day)
        ORDER BY 1 LIMIT GREATEST(p_rows / 24, 1)),
    taken AS (
        DELETE FROM trigperf.trigger_performance_metrics m
        WHERE m.ctid = ANY (ARRAY(SELECT n.place FROM numbered n WHERE n.number IN (SELECT c.number FROM chosen c)))
        RETURNING m.*),
    histograms AS (
        SELECT t.table_name, t.trigger_name, t.function_name,
               trigperf.histogram_merge(array_agg(e), '{}') AS histogram
        FROM taken t CROSS JOIN LATERAL unnest(t.histogram) AS e GROUP BY 1, 2, 3),
    sums AS (
        SELECT t.table_name, t.trigger_name, t.function_name, min(t.measured) AS measured,
               max(t.shared_by) AS shared_by, bool_or(t.ours) AS ours, bool_or(t.estimated) AS estimated,
               sum(t.executions) AS executions, sum(t.total_ms) AS total_ms, sum(t.self_ms) AS self_ms,
               max(t.max_ms) AS max_ms, sum(t.samples) AS samples, sum(t.errors) AS errors,
               sum(t.skipped) AS skipped, max(t.updated_at) AS updated_at
        FROM taken t GROUP BY 1, 2, 3),
    written AS (
        INSERT INTO trigperf.trigger_performance_metrics
            (hour, whole_day, measured, table_name, trigger_name, function_name, shared_by, ours, executions,
             estimated, total_ms, self_ms, max_ms, samples, histogram, errors, skipped, updated_at)
        SELECT midnight, true, s.measured, s.table_name, s.trigger_name, s.function_name, s.shared_by, s.ours,
               s.executions, s.estimated, s.total_ms, s.self_ms, s.max_ms, s.samples, h.histogram, s.errors,
               s.skipped, s.updated_at
        FROM sums s LEFT JOIN histograms h
          ON h.table_name IS NOT DISTINCT FROM s.table_name
         AND h.trigger_name IS NOT DISTINCT FROM s.trigger_name
         AND h.function_name IS NOT DISTINCT FROM s.function_name)
    SELECT count(*) INTO merged FROM taken;
    RETURN merged;
END
$$;

-- Not while a process may still write to that day. Nor do two merge at once, who would make two rows.
CREATE FUNCTION trigperf.series_days_merge(p_rows int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    nobody   constant uuid := '00000000-0000-0000-0000-000000000000';
    midnight timestamptz;
    merged   bigint;
BEGIN
    SELECT date_trunc('day', min(s.hour), 'UTC') INTO midnight FROM trigperf.host_series s
    WHERE NOT s.whole_day AND s.hour < trigperf.hours_kept_since();
    IF midnight IS NULL OR NOT pg_try_advisory_xact_lock(7460391845612013) THEN
        RETURN 0;
    END IF;
    PERFORM trigperf.series_give_up();
    IF EXISTS (SELECT FROM trigperf.host_process h WHERE h.hour < midnight + interval '24 hours') THEN
        RETURN 0;
    END IF;
    WITH chosen AS (
        SELECT DISTINCT s.series_id FROM trigperf.host_series s
        WHERE s.hour >= midnight AND s.hour < midnight + interval '24 hours' AND NOT s.whole_day
        ORDER BY 1 LIMIT GREATEST(p_rows / 24, 1)),
    taken AS (
        DELETE FROM trigperf.host_series s
        WHERE s.hour >= midnight AND s.hour < midnight + interval '24 hours'
          AND s.series_id IN (SELECT c.series_id FROM chosen c)
        RETURNING s.*),
    histograms AS (
        SELECT t.series_id, trigperf.histogram_merge(array_agg(e), '{}') AS histogram
        FROM taken t CROSS JOIN LATERAL unnest(t.histogram) AS e GROUP BY 1),
    latest AS (
        SELECT l.series_id, sum(l.value) AS value
        FROM (SELECT t.series_id, t.value,
                     rank() OVER (PARTITION BY t.series_id ORDER BY t.whole_day DESC, t.hour DESC) AS age
              FROM taken t WHERE t.value IS NOT NULL) AS l
        WHERE l.age = 1 GROUP BY 1),
    -- LEAST leaves NULL out, so that what is not counted must make its other argument NULL as well.
    sums AS (
        SELECT t.series_id, LEAST(sum(t.count), sum(0 * t.count) + 9223372036854775807)::bigint AS count,
               LEAST(sum(t.sum_ns), sum(0 * t.sum_ns) + 9223372036854775807)::bigint AS sum_ns,
               CASE WHEN bool_and(t.max_ns > 0 OR t.count = 0) THEN max(t.max_ns) ELSE 0 END AS max_ns,
               max(t.flushed_at) AS flushed_at
        FROM taken t GROUP BY 1),
    written AS (
        INSERT INTO trigperf.host_series
            (series_id, hour, whole_day, instance, sequence, count, sum_ns, max_ns, value, histogram, flushed_at)
        SELECT s.series_id, midnight, true, nobody, 0, s.count, s.sum_ns, s.max_ns, l.value, h.histogram,
               s.flushed_at
        FROM sums s
        LEFT JOIN histograms h ON h.series_id = s.series_id
        LEFT JOIN latest l ON l.series_id = s.series_id)
    SELECT count(*) INTO merged FROM taken;
    RETURN merged;
END
$$;

-- What the elected context calls every hour, until there is no more.
CREATE FUNCTION trigperf.days_merge(p_rows int DEFAULT 10000, OUT merged bigint, OUT more boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    IF p_rows < 1 OR p_rows IS NULL THEN
        RAISE EXCEPTION 'expected a batch of at least one row, got %', p_rows
            USING ERRCODE = 'invalid_parameter_value', HINT = 'the default is 10000';
    END IF;
    merged := trigperf.trigger_days_merge(p_rows) + trigperf.series_days_merge(p_rows);
    more := merged > 0;
END
$$;

-- Names that no row uses any more, while nobody writes any.
CREATE FUNCTION trigperf.series_sweep() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    removed bigint := 0;
BEGIN
    IF pg_try_advisory_xact_lock(7460391845612006) THEN
        DELETE FROM trigperf.host_series_name n
        WHERE NOT EXISTS (SELECT FROM trigperf.host_series s WHERE s.series_id = n.id);
        GET DIAGNOSTICS removed = ROW_COUNT;
    END IF;
    RETURN removed;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- For triggers that measure themselves: appends a row, which takes no lock that another writer could
-- wait for; a table of counters did, and took three quarters of the throughput of eight writers.
-- p_share is the share of executions that the caller tells about (0.01: one in a hundred); errors are
-- always worth telling, with a share of 1.

CREATE FUNCTION trigperf.update_trigger_performance_metrics(p_trigger text, p_table text,
    p_duration_ms double precision, p_error text DEFAULT NULL, p_skipped boolean DEFAULT NULL,
    p_rows bigint DEFAULT NULL, p_operation text DEFAULT NULL, p_share double precision DEFAULT 1,
    p_sqlstate text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_duration_ms IS NULL OR NOT p_duration_ms BETWEEN 0 AND 1e12 OR p_share IS NULL
        OR NOT (p_share > 0 AND p_share <= 1) THEN
        RAISE EXCEPTION 'expected a duration from 0 to 1e12 ms and a share above 0 and up to 1, got % and %',
            p_duration_ms, p_share
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'EXTRACT(epoch FROM clock_timestamp() - started) * 1000 is a duration in ms';
    END IF;
    INSERT INTO trigperf.trigger_execution_log
        (source, table_name, trigger_name, operation, duration_ms, row_count, skipped, weight, error_sqlstate,
         error_message)
    VALUES ('host', p_table, p_trigger, p_operation, p_duration_ms, p_rows, p_skipped,
            LEAST(round(1 / p_share), 1000000)::int, p_sqlstate, p_error);
END
$$;

-- Without arguments: brings the table up to date now.
CREATE FUNCTION trigperf.update_trigger_performance_metrics() RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT trigperf.collect()
$$;

-- ---------------------------------------------------------------------------------------------
-- Brackets: a first and a last trigger of a table, around those of others of the same time and level,
-- which are measured together without being touched. PostgreSQL fires triggers by name. The moment at
-- which a sampled execution began stands in a setting of the transaction, since nothing else is quicker
-- and forgotten with a subtransaction that fails; a trigger in between that cancels the row leaves it
-- there, so the first one clears it. Both run with the writer's search_path: names and operators are
-- qualified.

CREATE FUNCTION trigperf.bracket_open() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    place pg_catalog.text := pg_catalog.concat('trigperf.', TG_ARGV[0], '_', TG_RELID, '_',
                                               pg_catalog.pg_trigger_depth());
BEGIN
    IF pg_catalog.interval_hash(pg_catalog.clock_timestamp()
        OPERATOR(pg_catalog.-) '2000-01-01 00:00:00+00'::pg_catalog.timestamptz)
        OPERATOR(pg_catalog.<=) TG_ARGV[1]::pg_catalog.int4 THEN
        PERFORM pg_catalog.set_config(place, (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
            OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8::pg_catalog.text, true);
    ELSIF pg_catalog.current_setting(place, true) OPERATOR(pg_catalog.<>) '' THEN
        PERFORM pg_catalog.set_config(place, '', true);
    END IF;
    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION trigperf.bracket_close() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    place pg_catalog.text := pg_catalog.concat('trigperf.', TG_ARGV[0], '_', TG_RELID, '_',
                                               pg_catalog.pg_trigger_depth());
    begun pg_catalog.text := pg_catalog.current_setting(place, true);
BEGIN
    IF begun OPERATOR(pg_catalog.<>) '' THEN
        PERFORM pg_catalog.set_config(place, '', true);
        INSERT INTO trigperf.trigger_execution_log
            (source, table_name, trigger_name, operation, duration_ms, row_count, weight)
        VALUES ('bracket', pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME),
                pg_catalog.lower(pg_catalog.concat(TG_WHEN, ' ', TG_LEVEL)), TG_OP,
                (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*)
                1000::pg_catalog.float8) OPERATOR(pg_catalog.-)
                (begun::pg_catalog.float8 OPERATOR(pg_catalog./) 1000::pg_catalog.float8),
                CASE WHEN TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' THEN 1 END, TG_ARGV[1]::pg_catalog.int4);
    END IF;
    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;

-- The statements that put brackets around a table's triggers, or take them away.
CREATE FUNCTION trigperf.bracket_sql(p_table regclass, p_remove boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
                   JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.oid = p_table AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't');
    rate  double precision := (SELECT LEAST(GREATEST(value::double precision, 1e-6), 1)
                               FROM trigperf.setting WHERE name = 'sample_rate');
    made  text := '';
    misfit text;
    kind  record;
BEGIN
    IF place IS NULL THEN
        RAISE EXCEPTION 'expected an ordinary or partitioned table, % is none', p_table
            USING ERRCODE = 'wrong_object_type', HINT = 'triggers of views are not measured';
    END IF;
    IF p_remove THEN
        RETURN (SELECT COALESCE(string_agg(format(E'DROP TRIGGER %I ON %s;\n', g.tgname, place), '' ORDER BY g.tgname), '')
                FROM pg_trigger g
                WHERE g.tgrelid = p_table AND g.tgparentid = 0
                  AND g.tgfoid IN ('trigperf.bracket_open'::regproc, 'trigperf.bracket_close'::regproc));
    END IF;
    FOR kind IN
        SELECT t.timing, t.level, lower(left(t.timing, 1) || left(t.level, 1)) AS letters,
               string_agg(DISTINCT upper(e.event), ' OR ' ORDER BY upper(e.event)) AS events
        FROM trigperf.triggers() t CROSS JOIN LATERAL unnest(t.events) AS e(event)
        WHERE t.relid = p_table AND NOT t.ours AND t.enabled GROUP BY 1, 2, 3 ORDER BY 1, 2
    LOOP
        SELECT t.trigger_name INTO misfit FROM trigperf.triggers() t
        WHERE t.relid = p_table AND t.timing = kind.timing AND t.level = kind.level
          AND (t.trigger_name COLLATE "C" <= '!trigperf_bracket_' || kind.letters
               OR t.trigger_name COLLATE "C" >= '~trigperf_bracket_' || kind.letters)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'no bracket fits around trigger % of %: its name comes first or last', misfit, place
                USING ERRCODE = 'duplicate_object',
                      HINT = 'remove the bracket that is there, or rename the trigger';
        END IF;
        made := made || format(
            E'CREATE TRIGGER %I %s %s ON %s FOR EACH %s EXECUTE FUNCTION trigperf.bracket_open(%L, %L);\n'
            'CREATE TRIGGER %I %s %s ON %s FOR EACH %s EXECUTE FUNCTION trigperf.bracket_close(%L, %L);\n',
            '!trigperf_bracket_' || kind.letters, upper(kind.timing), kind.events, place, upper(kind.level),
            kind.letters, LEAST(round(-2147483648 + rate * 4294967296), 2147483647)::bigint,
            '~trigperf_bracket_' || kind.letters, upper(kind.timing), kind.events, place, upper(kind.level),
            kind.letters, round(1 / rate)::int);
    END LOOP;
    IF made = '' THEN
        RAISE EXCEPTION 'expected triggers to put a bracket around, % has none of its own', place
            USING ERRCODE = 'undefined_object', HINT = 'our own triggers are measured anyway';
    END IF;
    RETURN made;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
