-- Version 13: sampling and reporting at less cost.

-- ---------------------------------------------------------------------------------------------
-- The server parses the CHECK constraints of a table anew in every statement that writes to it: two of
-- them were two fifths of what a sampled execution costs. Who reads the log leaves out what is odd.

ALTER TABLE trigperf.trigger_execution_log
    DROP CONSTRAINT trigger_execution_log_source_check,
    DROP CONSTRAINT trigger_execution_log_weight_check;

-- Adds sampled executions that became visible between two snapshots; returns how many rows they were.
-- A row of ours is filed under its function, one of a bracket or a host under what it names.
CREATE OR REPLACE FUNCTION trigperf.collect_samples(p_from pg_snapshot, p_to pg_snapshot) RETURNS bigint
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
        SELECT f.hour, f.ns, f.weight, GREATEST(f.duration_ms, 0) AS duration_ms, f.skipped, f.error_sqlstate, f.error_message,
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
               count(*) FILTER (WHERE f.error_message IS NOT NULL OR f.error_sqlstate IS NOT NULL) AS errors,
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

-- What sampling costs an execution, in microseconds, gauged as it stands in capture functions: the question
-- that every execution asks at its beginning and the one at its end, that of the chosen transactions (all of
-- them, where more than a tenth is sampled), and the share that writes a row; the rows are removed again. The
-- least of three counts, since whatever else the machine does adds.
CREATE OR REPLACE FUNCTION trigperf.sampling_cost() RETURNS double precision
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rounds  constant int := 2000;
    rows    constant int := 10;
    rate    double precision := (SELECT value::double precision FROM trigperf.setting WHERE name = 'sample_rate');
    least_of double precision[] := ARRAY['Infinity', 'Infinity', 'Infinity', 'Infinity'];
    started timestamptz;
    begun   timestamptz;
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
            IF begun IS NOT NULL THEN
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

-- ---------------------------------------------------------------------------------------------
-- Quantiles. The server puts the text of a function in the place of its call only where that changes
-- nothing for null: a CASE in a STRICT one forbids it, and each call then costs what a query does. These
-- give null for null without being STRICT.

CREATE OR REPLACE FUNCTION trigperf.histogram_lower(p_bucket int) RETURNS bigint
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE WHEN p_bucket <= 0 THEN 0
            WHEN p_bucket >= 865 THEN 137438953472
            ELSE (32 + ((p_bucket - 1) & 31))::bigint << (5 + ((p_bucket - 1) >> 5)) END;
ALTER FUNCTION trigperf.histogram_bucket(bigint) CALLED ON NULL INPUT;
ALTER FUNCTION trigperf.histogram_middle(int) CALLED ON NULL INPUT;

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

CREATE OR REPLACE FUNCTION trigperf.histogram_quantiles(p_histogram bigint[], p_q float8[], p_max_ns bigint DEFAULT 0)
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
    FROM unnest(p_histogram) AS e WHERE e IS NOT NULL;
    IF entries[1] < 0 OR entries[cardinality(entries)] >> 48 > 865 THEN
        RAISE EXCEPTION 'expected a histogram with buckets 0 to 865'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'pass one of encoding version 1';
    END IF;
    RETURN trigperf.sorted_quantiles(entries, total, p_q, p_max_ns);
END
$$;

-- ---------------------------------------------------------------------------------------------
-- The report, which merges by sorting: the entries of all rows of a series are brought into order, and
-- nothing is added up but their number.

-- What was skipped is extrapolated from samples, executions may be counted: chance can put the one above
-- the other.
CREATE OR REPLACE FUNCTION trigperf.report_triggers(p_since timestamptz, p_until timestamptz) RETURNS TABLE (
    table_name text, trigger_name text, function_name text, ours boolean, enabled boolean, level text,
    timing text, events text[], measured text, shared_by int, executions bigint, estimated boolean,
    total_ms double precision, self_ms double precision, max_ms double precision, samples bigint,
    quantiles bigint[], errors bigint, skipped bigint, sampled_executions bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH metrics AS MATERIALIZED (
        SELECT * FROM trigperf.trigger_performance_metrics m WHERE m.hour >= p_since AND m.hour < p_until),
    histograms AS (
        SELECT m.table_name, m.trigger_name, m.function_name, array_agg(e ORDER BY e) AS entries,
               sum((e & 281474976710655)::float8) AS count
        FROM metrics m CROSS JOIN LATERAL unnest(m.histogram) AS e GROUP BY 1, 2, 3),
    sums AS (
        SELECT m.table_name, m.trigger_name, m.function_name, min(m.measured) AS measured,
               max(m.shared_by) AS shared_by, bool_or(m.ours) AS ours, bool_or(m.estimated) AS estimated,
               sum(m.executions)::bigint AS executions, sum(m.total_ms) AS total_ms,
               sum(m.self_ms) AS self_ms, max(m.max_ms) AS max_ms, sum(m.samples)::bigint AS samples,
               sum(m.errors)::bigint AS errors, sum(m.skipped)::bigint AS skipped
        FROM metrics m GROUP BY 1, 2, 3),
    figures AS MATERIALIZED (
        SELECT s.*, h.count::bigint AS sampled_executions,
               trigperf.sorted_quantiles(h.entries, h.count, ARRAY[0.5, 0.95, 0.99],
                                         round(s.max_ms * 1000000)::bigint) AS quantiles
        FROM sums s LEFT JOIN histograms h
          ON h.function_name IS NOT DISTINCT FROM s.function_name
         AND h.trigger_name IS NOT DISTINCT FROM s.trigger_name
         AND h.table_name IS NOT DISTINCT FROM s.table_name)
    SELECT COALESCE(g.table_name, f.table_name), COALESCE(g.trigger_name, f.trigger_name),
           COALESCE(g.function_name, f.function_name), COALESCE(g.ours, f.ours), g.enabled, g.level, g.timing,
           g.events, f.measured, COALESCE(t.shared_by, f.shared_by, 1), f.executions, f.estimated, f.total_ms,
           f.self_ms, f.max_ms, f.samples, f.quantiles, f.errors,
           CASE WHEN f.skipped > f.executions THEN f.executions ELSE f.skipped END, f.sampled_executions
    FROM trigperf.triggers() g
    JOIN trigperf.trigger_functions() t ON t.funcid = g.funcid
    FULL JOIN figures f ON f.function_name = g.function_name AND f.trigger_name = g.trigger_name
                       AND f.table_name = g.table_name
$$;

CREATE OR REPLACE FUNCTION trigperf.report_series(p_since timestamptz, p_until timestamptz) RETURNS TABLE (
    name text, labels jsonb, kind text, count bigint, sum_ns bigint, value double precision, quantiles bigint[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH histograms AS (
        SELECT t.series_id, array_agg(e ORDER BY e) AS entries, sum((e & 281474976710655)::float8) AS count
        FROM trigperf.host_series t CROSS JOIN LATERAL unnest(t.histogram) AS e
        WHERE t.hour >= p_since AND t.hour < p_until GROUP BY 1),
    latest AS (
        SELECT t.series_id, sum(t.value) AS value
        FROM (SELECT x.series_id, x.value, rank() OVER (PARTITION BY x.series_id ORDER BY x.hour DESC) AS age
              FROM trigperf.host_series x WHERE x.hour >= p_since AND x.hour < p_until AND x.value IS NOT NULL) AS t
        WHERE t.age = 1 GROUP BY 1),
    sums AS (
        SELECT t.series_id, LEAST(sum(t.count), sum(0 * t.count) + 9223372036854775807)::bigint AS count,
               LEAST(sum(t.sum_ns), sum(0 * t.sum_ns) + 9223372036854775807)::bigint AS sum_ns,
               CASE WHEN bool_and(t.max_ns > 0 OR t.count = 0) THEN max(t.max_ns) ELSE 0 END AS max_ns
        FROM trigperf.host_series t WHERE t.hour >= p_since AND t.hour < p_until GROUP BY 1)
    SELECT n.name, n.labels, n.kind, s.count, s.sum_ns, CASE WHEN n.kind = 'gauge' AND l.value NOT IN ('NaN', 'Infinity', '-Infinity') THEN l.value END,
           CASE WHEN n.kind = 'histogram'
                THEN trigperf.sorted_quantiles(h.entries, h.count, ARRAY[0.5, 0.95, 0.99], s.max_ns) END
    FROM sums s
    JOIN trigperf.host_series_name n ON n.id = s.series_id
    LEFT JOIN histograms h ON h.series_id = s.series_id
    LEFT JOIN latest l ON l.series_id = s.series_id
$$;

REVOKE ALL ON FUNCTION trigperf.sorted_quantiles(bigint[], double precision, float8[], bigint) FROM PUBLIC;
