-- Version 8: alerts of the database. Rules, what stands, silence, and who tells whom.
--
-- Rules are judged here, by whoever asks first: the elected context after it has collected, the
-- command, or pg_cron. One judges at a time, and not more often than alert.interval_s, so several
-- servers raise one event, not several. What is not measured gives no reading, and no alert.

-- A rule takes its readings from a function of this schema named by source. Where that is not there
-- (it comes with another part), the rule is at rest.
CREATE TABLE trigperf.alert_rule (
    name         text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    source       text NOT NULL,
    description  text NOT NULL,
    unit         text NOT NULL,
    below        boolean NOT NULL DEFAULT false,
    usual        boolean NOT NULL DEFAULT false,
    warn         double precision,
    critical     double precision,
    min_samples  bigint NOT NULL DEFAULT 1 CHECK (min_samples >= 1),
    hysteresis   double precision NOT NULL DEFAULT 10 CHECK (hysteresis BETWEEN 0 AND 100),
    hold_s       int NOT NULL DEFAULT 0 CHECK (hold_s >= 0),
    cooldown_s   int NOT NULL DEFAULT 300 CHECK (cooldown_s >= 0),
    enabled      boolean NOT NULL DEFAULT true,
    silent_until timestamptz,
    CHECK (warn IS NOT NULL OR critical IS NOT NULL),
    CHECK (CASE WHEN below THEN critical <= warn ELSE critical >= warn END)
);
COMMENT ON COLUMN trigperf.alert_rule.usual IS
    'thresholds are percent above the median of the last 60 judged values of the same subject';
COMMENT ON COLUMN trigperf.alert_rule.hysteresis IS
    'percent of a threshold by which a value must be back on the good side';

INSERT INTO trigperf.alert_rule (name, source, description, unit, below, usual, warn, critical, min_samples) VALUES
    ('trigger_mean_ms', 'alert_read_mean', 'mean time of a trigger', 'ms', false, false, 100, 500, 20),
    ('trigger_error_rate', 'alert_read_errors', 'share of a trigger''s executions that failed', '%', false, false, 5, 15, 20),
    ('trigger_slower_than_usual', 'alert_read_mean', 'mean time of a trigger against its own past', '%', false, true, 100, 300, 20),
    ('cache_hit_rate', 'alert_read_cache', 'hits of the verdict caches of all hosts', '%', true, false, 60, NULL, 1000),
    ('outbox_lag_s', 'alert_read_outbox', 'how far a consumer of the outbox is behind', 's', false, false, 60, 600, 1),
    ('slot_lag_bytes', 'alert_read_slots', 'log that the server keeps for a consumer', 'bytes', false, false, 1073741824, 10737418240, 1),
    ('stale_view', 'alert_read_stale_views', 'age of what a view shows beyond its limit', 's', false, false, 0, NULL, 1),
    ('constraint_overhead', 'alert_read_constraints', 'share of a statement''s time that constraints take', '%', false, false, 20, 50, 20),
    ('failures_per_hour', 'alert_read_failures', 'failures within an hour', '', false, false, 5, NULL, 1);

CREATE TABLE trigperf.alert_state (
    rule         text NOT NULL REFERENCES trigperf.alert_rule ON DELETE CASCADE,
    subject      text NOT NULL,
    labels       jsonb NOT NULL DEFAULT '{}',
    level        int NOT NULL DEFAULT 0,
    told         int NOT NULL DEFAULT 0,
    told_at      timestamptz,
    held_since   timestamptz,
    value        double precision,
    samples      bigint,
    judged_at    timestamptz NOT NULL,
    seen_hour    timestamptz,
    seen_amount  double precision NOT NULL DEFAULT 0,
    seen_samples bigint NOT NULL DEFAULT 0,
    past         double precision[] NOT NULL DEFAULT '{}',
    seen_measured bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (rule, subject)
) WITH (fillfactor = 60);
COMMENT ON COLUMN trigperf.alert_state.level IS '0 ok, 1 warning, 2 critical; told is what was said last';

CREATE TABLE trigperf.alert_run (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    judged_at timestamptz
) WITH (fillfactor = 50);
INSERT INTO trigperf.alert_run DEFAULT VALUES;

CREATE TABLE trigperf.alert_history (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    rule      text NOT NULL,
    subject   text NOT NULL DEFAULT '',
    labels    jsonb NOT NULL DEFAULT '{}',
    level     text NOT NULL CHECK (level IN ('ok', 'warning', 'critical')),
    previous  text CHECK (previous IN ('ok', 'warning', 'critical')),
    value     double precision,
    threshold double precision,
    usual     double precision,
    samples   bigint,
    message   text NOT NULL,
    source    text,
    taken_at   timestamptz
);
COMMENT ON COLUMN trigperf.alert_history.taken_at IS 'when somebody took it in order to run a command for it';
CREATE INDEX alert_history_at ON trigperf.alert_history (at);

-- channel: where events are sent by NOTIFY as JSON; empty: nowhere.
INSERT INTO trigperf.setting (name, value) VALUES
    ('alert.channel', ''),
    ('alert.interval_s', '60');

-- ---------------------------------------------------------------------------------------------
-- Readings. hour is null for what is true now; else amount and samples are those of an hour, and what
-- was added since the last judgement is judged, as amount by sample. Where samples are extrapolated, measured
-- says how many there were; a source without that column measures each.

CREATE FUNCTION trigperf.alert_subject(p_table text, p_trigger text, p_function text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(CASE WHEN p_trigger IS NOT NULL THEN concat_ws('.', p_table, quote_ident(p_trigger)) END,
                    p_function, p_table, '')
$$;

-- Means, of each execution once: what a trigger tells of itself is read where the server does not count it.
CREATE FUNCTION trigperf.alert_read_mean() RETURNS TABLE (
    subject text, labels jsonb, hour timestamptz, amount double precision, samples bigint, measured bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat(trigperf.alert_subject(m.table_name, m.trigger_name, m.function_name),
                  CASE m.measured WHEN 'host' THEN ' (told)' WHEN 'bracket' THEN ' (bracket)' END),
           jsonb_strip_nulls(jsonb_build_object('table', m.table_name, 'trigger', m.trigger_name,
                                                'function', m.function_name)),
           m.hour, m.total_ms, m.executions, CASE WHEN m.estimated THEN m.samples ELSE m.executions END
    FROM trigperf.trigger_performance_metrics m
    LEFT JOIN trigperf.metrics_other_views(clock_timestamp() - interval '1 day', 'infinity') v
      ON m.measured = 'host' AND v.of_function IS NOT NULL AND v.trigger_name = m.trigger_name
     AND v.table_name IS NOT DISTINCT FROM m.table_name
    WHERE m.hour >= clock_timestamp() - interval '1 day' AND m.executions > 0 AND m.total_ms IS NOT NULL
      AND v.trigger_name IS NULL
$$;

-- Errors of capture by its executions; and those that a trigger told by what the server counted, which is
-- known where its function serves no other. Where it is not, there is no share to judge.
CREATE FUNCTION trigperf.alert_read_errors() RETURNS TABLE (
    subject text, labels jsonb, hour timestamptz, amount double precision, samples bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT trigperf.alert_subject(m.table_name, m.trigger_name, m.function_name),
           jsonb_strip_nulls(jsonb_build_object('table', m.table_name, 'trigger', m.trigger_name,
                                                'function', m.function_name)),
           m.hour, m.errors * 100.0::float8, m.executions
    FROM trigperf.trigger_performance_metrics m
    WHERE m.hour >= clock_timestamp() - interval '1 day' AND m.executions > 0 AND m.errors IS NOT NULL
      AND m.measured IN ('trigger', 'function')
    UNION ALL
    SELECT trigperf.alert_subject(v.table_name, v.trigger_name, NULL),
           jsonb_strip_nulls(jsonb_build_object('table', v.table_name, 'trigger', v.trigger_name,
                                                'function', v.of_function)),
           m.hour, 100 * COALESCE(sum(m.errors) FILTER (WHERE m.measured = 'host'), 0)::float8,
           COALESCE(sum(m.executions) FILTER (WHERE m.measured = 'trigger'), 0)::bigint
    FROM trigperf.metrics_other_views(clock_timestamp() - interval '1 day', 'infinity') v
    JOIN trigperf.trigger_performance_metrics m
      ON (m.measured = 'trigger' AND m.function_name = v.of_function)
      OR (m.measured = 'host' AND m.trigger_name = v.trigger_name AND m.table_name IS NOT DISTINCT FROM v.table_name)
    WHERE v.alone AND m.hour >= clock_timestamp() - interval '1 day'
    GROUP BY v.table_name, v.trigger_name, v.of_function, m.hour
$$;

CREATE FUNCTION trigperf.alert_read_cache() RETURNS TABLE (
    subject text, labels jsonb, hour timestamptz, amount double precision, samples bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '', '{}'::jsonb, s.hour,
           100 * COALESCE(sum(s.count) FILTER (WHERE n.name = 'trigperf_cache_hits_total'), 0)::float8,
           sum(s.count)::bigint
    FROM trigperf.host_series s
    JOIN trigperf.host_series_name n ON n.id = s.series_id
    WHERE n.name IN ('trigperf_cache_hits_total', 'trigperf_cache_misses_total')
      AND s.hour >= clock_timestamp() - interval '1 day'
    GROUP BY s.hour HAVING sum(s.count) > 0
$$;

CREATE FUNCTION trigperf.alert_read_outbox() RETURNS TABLE (
    subject text, labels jsonb, hour timestamptz, amount double precision, samples bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.name, jsonb_build_object('consumer', c.name), NULL::timestamptz, c.lag_seconds, 1::bigint
    FROM trigperf.report_consumers() c WHERE c.source = 'outbox' AND c.lag_seconds IS NOT NULL
$$;

CREATE FUNCTION trigperf.alert_read_slots() RETURNS TABLE (
    subject text, labels jsonb, hour timestamptz, amount double precision, samples bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.slot::text, jsonb_build_object('slot', s.slot), NULL::timestamptz, s.retained_bytes::float8, 1::bigint
    FROM trigperf.wal_slots() s WHERE s.retained_bytes IS NOT NULL
$$;

-- ---------------------------------------------------------------------------------------------
-- Judging

-- The level of a value, given the one before: what was reached is kept within the hysteresis.
CREATE FUNCTION trigperf.alert_level(p_rule trigperf.alert_rule, p_value double precision, p_before int) RETURNS int
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(max(t.level) FILTER (
               WHERE CASE WHEN p_rule.below THEN p_value < t.threshold + t.margin
                          ELSE p_value > t.threshold - t.margin END), 0)
    FROM (SELECT x.level, x.threshold,
                 CASE WHEN p_before >= x.level THEN abs(x.threshold) * p_rule.hysteresis / 100 ELSE 0 END
          FROM (VALUES (1, p_rule.warn), (2, p_rule.critical)) AS x(level, threshold)
          WHERE x.threshold IS NOT NULL) AS t(level, threshold, margin)
$$;

CREATE FUNCTION trigperf.alert_level_name(p_level int) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (ARRAY['ok', 'warning', 'critical'])[p_level + 1]
$$;

CREATE FUNCTION trigperf.alert_median(p_values double precision[]) RETURNS double precision
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN cardinality(p_values) >= 8
                THEN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v) FROM unnest(p_values) AS v) END
$$;

CREATE FUNCTION trigperf.alert_text(p_value double precision, p_unit text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(' ', trim_scale(round(p_value::numeric, CASE WHEN abs(p_value) < 10 THEN 3 ELSE 1 END)),
                     NULLIF(p_unit, ''))
$$;

-- Writes an event and tells the channel.
CREATE FUNCTION trigperf.alert_tell(p_rule trigperf.alert_rule, p_state trigperf.alert_state,
    p_usual double precision, p_why text DEFAULT NULL) RETURNS trigperf.alert_history
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event     trigperf.alert_history;
    worse     int := GREATEST(p_state.level, p_state.told);
    threshold double precision := CASE WHEN worse = 2 OR p_rule.warn IS NULL
                                       THEN COALESCE(p_rule.critical, p_rule.warn) ELSE p_rule.warn END;
    channel   text := (SELECT s.value FROM trigperf.setting s WHERE s.name = 'alert.channel');
    passed    boolean := CASE WHEN p_rule.below THEN p_state.value < threshold ELSE p_state.value > threshold END;
    sentence  text;
BEGIN
    sentence := format('%s%s: %s: %s -> %s', p_rule.name, COALESCE(' of ' || NULLIF(p_state.subject, ''), ''),
        COALESCE(p_why, concat(
            trigperf.alert_text(p_state.value, p_rule.unit),
            CASE WHEN p_usual IS NOT NULL THEN format(' above the usual %s', trigperf.alert_text(p_usual, '')) END,
            CASE WHEN passed = p_rule.below THEN ', below ' ELSE ', above ' END, trigperf.alert_text(threshold, p_rule.unit))),
        trigperf.alert_level_name(p_state.told), trigperf.alert_level_name(p_state.level));
    INSERT INTO trigperf.alert_history (rule, subject, labels, level, previous, value, threshold, usual, samples, message, source)
    VALUES (p_rule.name, p_state.subject, p_state.labels, trigperf.alert_level_name(p_state.level),
            trigperf.alert_level_name(p_state.told), p_state.value, threshold, p_usual, p_state.samples, sentence, 'database')
    RETURNING * INTO event;
    IF channel <> '' THEN
        PERFORM pg_notify(channel, CASE WHEN octet_length(row_to_json(event)::text) < 7900
            THEN row_to_json(event)::text
            ELSE json_build_object('id', event.id, 'rule', event.rule, 'level', event.level)::text END);
    END IF;
    RETURN event;
END
$$;

-- One value of one subject: the new state, and the event if there is one.
CREATE FUNCTION trigperf.alert_step(p_rule trigperf.alert_rule, INOUT p_state trigperf.alert_state,
    p_now timestamptz, OUT event trigperf.alert_history)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    usual  double precision;
    level  int;
    seen   double precision := p_state.value;
    silent boolean := p_now < p_rule.silent_until;
BEGIN
    IF p_rule.usual THEN
        usual := trigperf.alert_median(p_state.past);
        p_state.past := (p_state.past || seen)[GREATEST(cardinality(p_state.past) - 58, 1):];
        IF usual IS NULL OR NOT usual > 0 THEN
            RETURN;
        END IF;
        p_state.value := (seen / usual - 1) * 100;
    END IF;
    level := trigperf.alert_level(p_rule, p_state.value, p_state.level);
    IF level <= p_state.level THEN
        p_state.level := level;
        p_state.held_since := NULL;
    ELSE
        p_state.held_since := LEAST(COALESCE(p_state.held_since, p_now), p_now);
        IF p_now - p_state.held_since >= make_interval(secs => p_rule.hold_s) THEN
            p_state.level := level;
            p_state.held_since := NULL;
        END IF;
    END IF;
    IF p_state.level = p_state.told OR silent THEN
        RETURN;
    END IF;
    IF p_state.level > p_state.told OR p_state.told_at IS NULL OR p_state.told_at > p_now
        OR p_now - p_state.told_at >= make_interval(secs => p_rule.cooldown_s) THEN
        event := trigperf.alert_tell(p_rule, p_state, usual);
        p_state.told := p_state.level;
        p_state.told_at := p_now;
    END IF;
END
$$;

CREATE FUNCTION trigperf.alert_store(p_state trigperf.alert_state) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO trigperf.alert_state SELECT p_state.*
    ON CONFLICT (rule, subject) DO UPDATE
        SET labels = EXCLUDED.labels, level = EXCLUDED.level, told = EXCLUDED.told, told_at = EXCLUDED.told_at,
            held_since = EXCLUDED.held_since, value = EXCLUDED.value, samples = EXCLUDED.samples,
            judged_at = EXCLUDED.judged_at, seen_hour = EXCLUDED.seen_hour, seen_amount = EXCLUDED.seen_amount,
            seen_samples = EXCLUDED.seen_samples, past = EXCLUDED.past, seen_measured = EXCLUDED.seen_measured
$$;

-- What a rule has to judge: of hours what was added since the last judgement, in the first one since
-- the hour before. The hour that goes on is noted as far as it was seen. Readings of the same subject and hour
-- are one: what was seen is that of all of them. Enough is what was measured, not what that stands for.
CREATE FUNCTION trigperf.alert_readings(p_rule trigperf.alert_rule, p_now timestamptz) RETURNS SETOF trigperf.alert_state
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    source regprocedure := to_regprocedure(format('trigperf.%I()', p_rule.source));
BEGIN
    IF source IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format($query$
        WITH read AS MATERIALIZED (
            SELECT r.*, s.seen_hour,
                   r.amount - CASE WHEN r.hour = s.seen_hour THEN s.seen_amount ELSE 0 END AS fresh_amount,
                   r.samples - CASE WHEN r.hour = s.seen_hour THEN s.seen_samples ELSE 0 END AS fresh_samples,
                   r.measured - CASE WHEN r.hour = s.seen_hour THEN s.seen_measured ELSE 0 END AS fresh_measured,
                   row_number() OVER (PARTITION BY r.subject ORDER BY r.hour DESC NULLS LAST) AS age
            FROM (SELECT a.subject, (array_agg(a.labels))[1] AS labels, a.hour,
                         CASE WHEN a.hour IS NULL THEN max(a.amount) ELSE sum(a.amount) END AS amount,
                         CASE WHEN a.hour IS NULL THEN max(a.samples) ELSE sum(a.samples)::bigint END AS samples,
                         CASE WHEN a.hour IS NULL THEN max(a.%1$I) ELSE sum(a.%1$I)::bigint END AS measured
                  FROM trigperf.%2$I() a GROUP BY a.subject, a.hour) AS r
            LEFT JOIN trigperf.alert_state s ON s.rule = $1 AND s.subject = r.subject
            WHERE r.hour IS NULL
               OR r.hour >= COALESCE(s.seen_hour, date_trunc('hour', $2, 'UTC') - interval '1 hour'))
        SELECT $1, g.subject, g.labels, COALESCE(s.level, 0), COALESCE(s.told, 0), s.told_at, s.held_since,
               g.value, g.measured, $2, g.hour, g.amount, g.last_samples, COALESCE(s.past, '{}'), g.last_measured
        FROM (SELECT r.subject, (array_agg(r.labels))[1] AS labels, max(r.hour) AS hour,
                     CASE WHEN max(r.hour) IS NULL THEN max(r.amount)
                          ELSE GREATEST(sum(r.fresh_amount), 0) / NULLIF(sum(r.fresh_samples), 0) END AS value,
                     CASE WHEN max(r.hour) IS NULL THEN max(r.measured) ELSE sum(r.fresh_measured)::bigint END AS measured,
                     CASE WHEN max(r.hour) IS NULL THEN 0 ELSE max(r.amount) FILTER (WHERE r.age = 1) END AS amount,
                     CASE WHEN max(r.hour) IS NULL THEN 0 ELSE max(r.samples) FILTER (WHERE r.age = 1) END AS last_samples,
                     CASE WHEN max(r.hour) IS NULL THEN 0 ELSE max(r.measured) FILTER (WHERE r.age = 1) END AS last_measured
              FROM read r GROUP BY r.subject) AS g
        LEFT JOIN trigperf.alert_state s ON s.rule = $1 AND s.subject = g.subject
        WHERE g.value IS NOT NULL AND g.measured >= $3$query$,
        (SELECT CASE WHEN 'measured' = ANY (p.proargnames) THEN 'measured' ELSE 'samples' END
         FROM pg_proc p WHERE p.oid = source), p_rule.source)
    USING p_rule.name, p_now, p_rule.min_samples;
END
$$;

-- Ends what nothing was measured of for a day: the trigger is gone, or its rule was switched off.
CREATE FUNCTION trigperf.alert_expire(p_now timestamptz) RETURNS SETOF trigperf.alert_history
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    state trigperf.alert_state;
    rule  trigperf.alert_rule;
BEGIN
    FOR state IN
        SELECT s.* FROM trigperf.alert_state s JOIN trigperf.alert_rule r ON r.name = s.rule
        WHERE s.judged_at < p_now - interval '1 day' OR NOT r.enabled
    LOOP
        SELECT * INTO STRICT rule FROM trigperf.alert_rule r WHERE r.name = state.rule;
        DELETE FROM trigperf.alert_state s WHERE s.rule = state.rule AND s.subject = state.subject;
        IF state.told > 0 AND rule.enabled THEN
            state.level := 0;
            RETURN NEXT trigperf.alert_tell(rule, state, NULL, 'nothing was measured for a day');
        END IF;
    END LOOP;
END
$$;

-- Judges when that is due, or at once with p_now; returns the events that it raised.
CREATE FUNCTION trigperf.alerts_judge(p_at_once boolean DEFAULT false) RETURNS SETOF trigperf.alert_history
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    judged trigperf.alert_rule;
    step   record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7460391845612011) THEN
        RETURN;
    END IF;
    IF NOT p_at_once AND EXISTS (
        SELECT FROM trigperf.alert_run r, trigperf.setting s
        WHERE s.name = 'alert.interval_s' AND r.judged_at BETWEEN
              moment - make_interval(secs => GREATEST(s.value::float8, 1) * 0.9) AND moment) THEN
        RETURN;
    END IF;
    UPDATE trigperf.alert_run SET judged_at = moment;
    FOR judged IN SELECT * FROM trigperf.alert_rule r WHERE r.enabled ORDER BY r.name LOOP
        FOR step IN SELECT t.p_state, t.event FROM trigperf.alert_readings(judged, moment) AS a
                    CROSS JOIN LATERAL trigperf.alert_step(judged, a, moment) AS t LOOP
            PERFORM trigperf.alert_store(step.p_state);
            IF (step.event).id IS NOT NULL THEN
                RETURN NEXT step.event;
            END IF;
        END LOOP;
    END LOOP;
    RETURN QUERY SELECT * FROM trigperf.alert_expire(moment);
END
$$;

-- ---------------------------------------------------------------------------------------------
-- For those who ask

-- Events since p_since behind p_after, rules, and what stands.
CREATE FUNCTION trigperf.alerts(p_since timestamptz DEFAULT NULL, p_after bigint DEFAULT 0) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT json_build_object(
        'format', 1,
        'generated_at', clock_timestamp(),
        'judged_at', (SELECT r.judged_at FROM trigperf.alert_run r),
        'last_id', COALESCE((SELECT max(h.id) FROM trigperf.alert_history h), 0),
        'rules', (SELECT COALESCE(json_agg(json_build_object(
                'rule', r.name, 'description', r.description, 'unit', r.unit, 'below', r.below, 'usual', r.usual,
                'warn', r.warn, 'critical', r.critical, 'min_samples', r.min_samples, 'hysteresis', r.hysteresis,
                'hold_s', r.hold_s, 'cooldown_s', r.cooldown_s, 'enabled', r.enabled,
                'measured', to_regprocedure(format('trigperf.%I()', r.source)) IS NOT NULL,
                'silent_until', CASE WHEN r.silent_until > clock_timestamp() THEN r.silent_until END)
                ORDER BY r.name), '[]') FROM trigperf.alert_rule r),
        'standing', (SELECT COALESCE(json_agg(json_build_object(
                'rule', s.rule, 'subject', s.subject, 'labels', s.labels, 'level', trigperf.alert_level_name(s.level),
                'told', trigperf.alert_level_name(s.told), 'since', s.told_at, 'value', s.value, 'unit', r.unit,
                'samples', s.samples, 'judged_at', s.judged_at)
                ORDER BY s.level DESC, s.rule, s.subject), '[]')
            FROM trigperf.alert_state s JOIN trigperf.alert_rule r ON r.name = s.rule
            WHERE s.level > 0 AND r.enabled),
        'history', (SELECT COALESCE(json_agg(json_build_object(
                'id', h.id, 'at', h.at, 'rule', h.rule, 'subject', h.subject, 'labels', h.labels, 'level', h.level,
                'previous', h.previous, 'value', h.value, 'threshold', h.threshold, 'usual', h.usual,
                'samples', h.samples, 'message', h.message, 'source', h.source) ORDER BY h.id), '[]')
            FROM (SELECT * FROM trigperf.alert_history x
                  WHERE x.id > p_after AND (p_since IS NULL OR x.at >= p_since)
                  ORDER BY x.id DESC LIMIT 1000) AS h))
$$;

-- No events of a rule (null: of any) for so long; 0 ends it. What stands afterwards is told then.
CREATE FUNCTION trigperf.alert_silence(p_rule text, p_seconds double precision) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    silenced int;
BEGIN
    IF p_seconds IS NULL OR NOT p_seconds BETWEEN 0 AND 31622400 THEN
        RAISE EXCEPTION 'expected 0 to 31622400 seconds of silence, got %', p_seconds
            USING ERRCODE = 'invalid_parameter_value', HINT = 'switch off a rule that is never wanted';
    END IF;
    UPDATE trigperf.alert_rule r
    SET silent_until = CASE WHEN p_seconds > 0 THEN clock_timestamp() + make_interval(secs => p_seconds) END
    WHERE p_rule IS NULL OR r.name = p_rule;
    GET DIAGNOSTICS silenced = ROW_COUNT;
    IF silenced = 0 THEN
        RAISE EXCEPTION 'there is no alert rule "%"', p_rule
            USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM trigperf.alert_rule lists them';
    END IF;
    RETURN silenced;
END
$$;

-- Events of the last hour that nobody took yet, for whoever runs commands for them: each is given to
-- one taker, once.
CREATE FUNCTION trigperf.alerts_take() RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH taken AS (
        UPDATE trigperf.alert_history h SET taken_at = clock_timestamp()
        WHERE h.id IN (SELECT x.id FROM trigperf.alert_history x
                       WHERE x.taken_at IS NULL AND x.at > clock_timestamp() - interval '1 hour'
                       ORDER BY x.id LIMIT 100 FOR UPDATE SKIP LOCKED)
        RETURNING h.*)
    SELECT COALESCE(json_agg(json_build_object(
        'id', t.id, 'at', t.at, 'rule', t.rule, 'subject', t.subject, 'labels', t.labels, 'level', t.level,
        'previous', t.previous, 'value', t.value, 'threshold', t.threshold, 'usual', t.usual,
        'samples', t.samples, 'message', t.message) ORDER BY t.id), '[]') FROM taken t
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
