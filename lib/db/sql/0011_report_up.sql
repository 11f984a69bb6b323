-- Version 11: the report. It merges by sorting: the entries of all rows of a series are brought into order,
-- and nothing is added up but their number.

-- What a report of a time is of: whole hours, at least the one in which it begins, and of days that were merged
-- all. A time that ends before now ends where an hour begins: the next one begins there, and no hour is of both.
CREATE FUNCTION trigperf.day_is_merged(p_at timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    midnight timestamptz := date_trunc('day', p_at, 'UTC');
BEGIN
    RETURN EXISTS (SELECT FROM trigperf.trigger_performance_metrics m WHERE m.hour = midnight AND m.whole_day)
        OR EXISTS (SELECT FROM trigperf.host_series s WHERE s.hour = midnight AND s.whole_day);
END
$$;

CREATE FUNCTION trigperf.report_period(p_since timestamptz, p_until timestamptz,
    OUT since timestamptz, OUT until timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    midnight timestamptz := date_trunc('day', p_until, 'UTC');
    ends     timestamptz := CASE WHEN p_until >= now() THEN p_until ELSE date_trunc('hour', p_until, 'UTC') END;
BEGIN
    since := date_trunc(CASE WHEN trigperf.day_is_merged(p_since) THEN 'day' ELSE 'hour' END, p_since, 'UTC');
    until := CASE WHEN ends > midnight AND trigperf.day_is_merged(ends) THEN midnight + interval '24 hours'
                  ELSE GREATEST(ends, LEAST(since + interval '1 hour', now())) END;
END
$$;

-- What was skipped is extrapolated from samples, executions may be counted: chance can put the one above
-- the other.
CREATE FUNCTION trigperf.report_triggers(p_since timestamptz, p_until timestamptz) RETURNS TABLE (
    table_name text, trigger_name text, function_name text, ours boolean, enabled boolean, level text,
    timing text, events text[], measured text, shared_by int, executions bigint, estimated boolean,
    total_ms double precision, self_ms double precision, max_ms double precision, samples bigint,
    quantiles bigint[], errors bigint, skipped bigint, sampled_executions bigint, counted boolean, errors_of bigint)
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
    views AS MATERIALIZED (SELECT * FROM trigperf.metrics_other_views(p_since, p_until)),
    served AS (
        SELECT s.function_name, sum(s.executions)::bigint AS executions
        FROM sums s WHERE s.measured = 'trigger' GROUP BY 1),
    figures AS MATERIALIZED (
        SELECT s.*, h.count::bigint AS sampled_executions, v.trigger_name IS NULL AND v.function_name IS NULL AS counted,
               CASE WHEN s.errors IS NULL THEN NULL WHEN s.measured = 'host' THEN e.executions
                    ELSE s.executions END AS errors_of,
               trigperf.sorted_quantiles(h.entries, h.count, ARRAY[0.5, 0.95, 0.99],
                                         round(s.max_ms * 1000000)::bigint) AS quantiles
        FROM sums s LEFT JOIN histograms h
          ON h.function_name IS NOT DISTINCT FROM s.function_name
         AND h.trigger_name IS NOT DISTINCT FROM s.trigger_name
         AND h.table_name IS NOT DISTINCT FROM s.table_name
        LEFT JOIN views v
          ON v.function_name IS NOT DISTINCT FROM s.function_name
         AND v.trigger_name IS NOT DISTINCT FROM s.trigger_name
         AND v.table_name IS NOT DISTINCT FROM s.table_name
        LEFT JOIN served e ON v.alone AND e.function_name = v.of_function)
    SELECT COALESCE(g.table_name, f.table_name), COALESCE(g.trigger_name, f.trigger_name),
           COALESCE(g.function_name, f.function_name), COALESCE(g.ours, f.ours), g.enabled, g.level, g.timing,
           g.events, f.measured, COALESCE(t.shared_by, f.shared_by, 1), f.executions, f.estimated, f.total_ms,
           f.self_ms, f.max_ms, f.samples, f.quantiles, f.errors,
           CASE WHEN f.skipped > f.executions THEN f.executions ELSE f.skipped END, f.sampled_executions,
           COALESCE(f.counted, true), f.errors_of
    FROM trigperf.triggers() g
    JOIN trigperf.trigger_functions() t ON t.funcid = g.funcid
    FULL JOIN figures f ON f.function_name = g.function_name AND f.trigger_name = g.trigger_name
                       AND f.table_name = g.table_name
$$;

CREATE FUNCTION trigperf.report_series(p_since timestamptz, p_until timestamptz) RETURNS TABLE (
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
    SELECT n.name, n.labels, n.kind, s.count, s.sum_ns,
           CASE WHEN n.kind = 'gauge' AND l.value NOT IN ('NaN', 'Infinity', '-Infinity') THEN l.value END,
           CASE WHEN n.kind = 'histogram'
                THEN trigperf.sorted_quantiles(h.entries, h.count, ARRAY[0.5, 0.95, 0.99], s.max_ns) END
    FROM sums s
    JOIN trigperf.host_series_name n ON n.id = s.series_id
    LEFT JOIN histograms h ON h.series_id = s.series_id
    LEFT JOIN latest l ON l.series_id = s.series_id
$$;

-- The newest errors: of capture, which logs all of them, and of triggers that tell theirs themselves.
CREATE FUNCTION trigperf.report_errors(p_since timestamptz, p_until timestamptz) RETURNS TABLE (
    at timestamptz, "table" text, trigger text, operation text, message text, sqlstate text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    (SELECT e.occurred_at, e.table_name, NULL::text, e.operation, e.error_message, e.sqlstate::text
     FROM trigperf.trigger_error_log e
     WHERE e.occurred_at >= p_since AND e.occurred_at < p_until
     ORDER BY e.occurred_at DESC LIMIT 50)
    UNION ALL
    (SELECT l.at, l.table_name, l.trigger_name, l.operation, l.error_message, l.error_sqlstate
     FROM trigperf.trigger_execution_log l
     WHERE l.at >= p_since AND l.at < p_until
       AND l.source = 'host' AND (l.error_message IS NOT NULL OR l.error_sqlstate IS NOT NULL)
     ORDER BY l.at DESC LIMIT 50)
    ORDER BY 1 DESC LIMIT 50
$$;

-- Alerts that were told and have not ended, whenever that was; the worst first.
CREATE FUNCTION trigperf.report_standing() RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(json_agg(json_build_object(
               'rule', s.rule, 'subject', s.subject, 'labels', s.labels, 'level', trigperf.alert_level_name(s.told),
               'at', s.told_at, 'value', s.value, 'message', COALESCE(
                   (SELECT h.message FROM trigperf.alert_history h
                    WHERE h.at >= s.told_at AND h.rule = s.rule AND h.subject = s.subject ORDER BY h.at LIMIT 1),
                   concat_ws(' of ', s.rule, NULLIF(s.subject, '')))) ORDER BY s.told DESC, s.rule, s.subject), '[]')
    FROM (SELECT * FROM trigperf.alert_state x WHERE x.told > 0 ORDER BY x.told DESC, x.rule, x.subject LIMIT 200) AS s
$$;

-- What was measured, in the order of time.
CREATE FUNCTION trigperf.report_timeline(p_since timestamptz, p_until timestamptz) RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(json_agg(json_build_object(
               'at', m.hour, 'hours', CASE WHEN m.whole_day THEN 24 ELSE 1 END, 'table', m.table_name,
               'trigger', m.trigger_name, 'function', m.function_name,
               'executions', m.executions, 'total_ms', m.total_ms, 'p50_ms', q.q[1]::float8 / 1e6::float8,
               'p95_ms', q.q[2]::float8 / 1e6::float8, 'p99_ms', q.q[3]::float8 / 1e6::float8, 'errors', m.errors,
               'counted', v.trigger_name IS NULL AND v.function_name IS NULL)
               ORDER BY m.hour, m.table_name, m.trigger_name, m.function_name), '[]')
    FROM trigperf.trigger_performance_metrics m
    LEFT JOIN LATERAL (
        SELECT trigperf.histogram_quantiles(m.histogram, ARRAY[0.5, 0.95, 0.99], round(m.max_ms * 1000000)::bigint)
        WHERE m.histogram IS NOT NULL) AS q(q) ON true
    LEFT JOIN trigperf.metrics_other_views(p_since, p_until) v
      ON v.function_name IS NOT DISTINCT FROM m.function_name
     AND v.trigger_name IS NOT DISTINCT FROM m.trigger_name
     AND v.table_name IS NOT DISTINCT FROM m.table_name
    WHERE m.hour >= p_since AND m.hour < p_until
$$;

-- What measuring costs an execution of our own functions: as gauged, which is at the rate of the setting; nothing
-- where a table is not sampled; null at another rate.
CREATE FUNCTION trigperf.report_measuring() RETURNS TABLE (function_name text, execution_us double precision)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('trigperf.%I', c.function_name),
           CASE WHEN c.sample_rate = 0 THEN 0
                WHEN c.sample_rate = (SELECT value::float8 FROM trigperf.setting WHERE name = 'sample_rate')
                THEN (SELECT s.execution_us FROM trigperf.collect_state s) END
    FROM trigperf.captured_table c WHERE c.granularity <> 'wal'
$$;

-- The same of all of them together, beside the time of these triggers and that of all statements, both as they were
-- read by the looks of that time.
CREATE FUNCTION trigperf.report_overhead(p_since timestamptz, p_until timestamptz) RETURNS json
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH ours AS (
        SELECT sum(m.executions)::bigint AS executions, sum(m.total_ms) AS total_ms,
               CASE WHEN bool_and(f.execution_us IS NOT NULL) THEN sum(m.executions * f.execution_us) / 1000 END AS measuring_ms
        FROM trigperf.trigger_performance_metrics m JOIN trigperf.report_measuring() f USING (function_name)
        WHERE m.hour >= p_since AND m.hour < p_until AND m.measured IN ('trigger', 'function') AND m.executions > 0),
    looks AS (
        SELECT avg(r.duration_ms) AS collect_ms, sum(r.transactions)::bigint AS transactions, sum(r.active_ms) AS active_ms
        FROM trigperf.collect_run r WHERE r.at >= p_since AND r.at < p_until)
    SELECT json_build_object(
        'collect_ms', l.collect_ms,
        'flush_ms', (SELECT avg(h.flush_ms) FROM trigperf.host_process h WHERE h.seen_at >= p_since),
        'per_execution_us', s.execution_us,
        'sample_rate', (SELECT value::float8 FROM trigperf.setting WHERE name = 'sample_rate'),
        'executions', o.executions, 'measuring_ms', o.measuring_ms,
        'share_of_triggers', o.measuring_ms / NULLIF(o.total_ms, 0),
        'transactions', l.transactions, 'per_transaction_us', o.measuring_ms * 1000 / NULLIF(l.transactions, 0),
        'statements_ms', l.active_ms, 'share_of_statements', o.measuring_ms / NULLIF(l.active_ms, 0))
    FROM ours o, looks l, trigperf.collect_state s
$$;

CREATE FUNCTION trigperf.report(p_since timestamptz, p_until timestamptz) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    period record;
    state  trigperf.collect_state;
BEGIN
    SELECT * INTO STRICT period FROM trigperf.report_period(p_since, p_until);
    SELECT * INTO STRICT state FROM trigperf.collect_state;
    RETURN json_build_object(
        'format', 1,
        'generated_at', clock_timestamp(),
        'since', period.since,
        'until', period.until,
        'asked', json_build_object('since', p_since, 'until', p_until),
        'database', json_build_object(
            'name', current_database(), 'server_version', current_setting('server_version'),
            'schema_version', (SELECT max(version) FROM trigperf.migration),
            'track_functions', current_setting('track_functions'),
            'track_functions_hint', trigperf.track_functions_hint(),
            'measured_since', state.measured_since, 'collected_at', state.collected_at),
        'triggers', (SELECT COALESCE(json_agg(json_build_object(
                'table', t.table_name, 'trigger', t.trigger_name, 'function', t.function_name, 'ours', t.ours,
                'enabled', t.enabled, 'level', t.level, 'timing', t.timing, 'events', t.events,
                'measured', t.measured, 'shared_by', t.shared_by, 'executions', t.executions,
                'estimated', COALESCE(t.estimated, false), 'total_ms', t.total_ms, 'self_ms', t.self_ms,
                'mean_ms', t.total_ms / NULLIF(t.executions, 0), 'max_ms', t.max_ms, 'samples', t.samples,
                'p50_ms', t.quantiles[1]::float8 / 1e6::float8, 'p95_ms', t.quantiles[2]::float8 / 1e6::float8,
                'p99_ms', t.quantiles[3]::float8 / 1e6::float8,
                'errors', t.errors, 'errors_of', t.errors_of,
                'error_rate', LEAST(t.errors, t.errors_of)::float8 / NULLIF(t.errors_of, 0), 'counted', t.counted,
                'skipped', t.skipped,
                'skipped_estimated', t.skipped IS NOT NULL AND t.samples IS DISTINCT FROM t.executions,
                'no_op_share', t.skipped::float8 / NULLIF(t.sampled_executions, 0),
                'measuring_share', t.executions * o.execution_us / 1000 / NULLIF(t.total_ms, 0))
                ORDER BY t.total_ms DESC NULLS LAST, t.table_name, t.trigger_name), '[]')
            FROM trigperf.report_triggers(period.since, period.until) t
            LEFT JOIN trigperf.report_measuring() o ON o.function_name = t.function_name),
        'timeline', trigperf.report_timeline(period.since, period.until),
        'slowest', (SELECT COALESCE(json_agg(json_build_object(
                'at', l.at, 'source', l.source, 'table', l.table_name, 'trigger', l.trigger_name,
                'function', l.function_name, 'operation', l.operation, 'duration_ms', l.duration_ms,
                'rows', l.row_count, 'skipped', l.skipped, 'sqlstate', l.error_sqlstate,
                'error', l.error_message) ORDER BY l.duration_ms DESC, l.at), '[]')
            FROM (SELECT * FROM trigperf.trigger_execution_log x WHERE x.at >= period.since AND x.at < period.until
                  ORDER BY x.duration_ms DESC LIMIT 20) AS l),
        'errors', (SELECT COALESCE(json_agg(row_to_json(e) ORDER BY e.at DESC), '[]')
            FROM trigperf.report_errors(period.since, period.until) e),
        'series', (SELECT COALESCE(json_agg(json_build_object(
                'name', s.name, 'labels', s.labels, 'kind', s.kind, 'count', s.count,
                'sum', s.sum_ns::float8 / 1e9::float8, 'p50', s.quantiles[1]::float8 / 1e9::float8,
                'p95', s.quantiles[2]::float8 / 1e9::float8, 'p99', s.quantiles[3]::float8 / 1e9::float8,
                'value', s.value) ORDER BY s.name, s.labels::text), '[]')
            FROM trigperf.report_series(period.since, period.until) s),
        'standing', trigperf.report_standing(),
        'alerts', (SELECT COALESCE(json_agg(json_build_object(
                'at', a.at, 'rule', a.rule, 'subject', a.subject, 'labels', a.labels, 'level', a.level,
                'previous', a.previous, 'value', a.value, 'threshold', a.threshold, 'usual', a.usual,
                'samples', a.samples, 'message', a.message, 'source', a.source) ORDER BY a.id DESC), '[]')
            FROM (SELECT * FROM trigperf.alert_history x WHERE x.at >= period.since AND x.at < period.until
                  ORDER BY x.id DESC LIMIT 200) AS a),
        'delivery', json_build_object(
            'outbox_bytes', (SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits i
                             WHERE i.inhparent = 'trigperf.outbox'::regclass),
            'outbox_rows_estimate', (SELECT sum(COALESCE(u.n_live_tup, 0)) FROM pg_inherits i
                                     LEFT JOIN pg_stat_user_tables u ON u.relid = i.inhrelid
                                     WHERE i.inhparent = 'trigperf.outbox'::regclass),
            'consumers', (SELECT COALESCE(json_agg(row_to_json(c) ORDER BY c.source, c.name), '[]')
                          FROM trigperf.report_consumers() c),
            'slots', (SELECT COALESCE(json_agg(row_to_json(w) ORDER BY w.slot), '[]')
                      FROM trigperf.wal_slots() w)),
        'overhead', trigperf.report_overhead(period.since, period.until));
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
