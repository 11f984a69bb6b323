-- Version 10: retention that can be looked at before it removes anything, and run by hand.

-- What is kept for so many days: the table, the column that tells how old a row is, what it holds.
CREATE FUNCTION trigperf.retained() RETURNS TABLE (relation text, moment text, holds text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    VALUES ('trigger_performance_metrics', 'hour', 'what triggers cost, by hour, and by day'),
           ('trigger_execution_log', 'at', 'sampled executions'),
           ('trigger_error_log', 'occurred_at', 'errors of triggers'),
           ('host_series', 'hour', 'series of hosts, by hour, and by day'),
           ('host_process', 'seen_at', 'processes that wrote series'),
           ('alert_history', 'at', 'alerts that were raised and ended'),
           ('collect_run', 'at', 'what measuring itself took'),
           ('job_run', 'begun_at', 'runs of jobs')
$$;

-- What is kept by hour or day goes by whole days: a day goes when its last hour is too old.
CREATE FUNCTION trigperf.retained_since(p_moment text, p_days int) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p_moment = 'hour' THEN date_trunc('day', k.since, 'UTC') ELSE k.since END
    FROM (SELECT clock_timestamp() - make_interval(days => p_days)) AS k(since)
$$;

-- One batch of one table; whether there is more. Rows are taken in the order of their places, so two
-- that remove at once wait for each other at most.
CREATE FUNCTION trigperf.retained_remove(p_relation text, p_moment text, p_days int, p_batch int,
    OUT removed bigint, OUT more boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept timestamptz := trigperf.retained_since(p_moment, p_days);
BEGIN
    EXECUTE format('DELETE FROM trigperf.%1$I WHERE ctid = ANY (ARRAY('
                   'SELECT ctid FROM trigperf.%1$I WHERE %2$I < $1 LIMIT $2))', p_relation, p_moment)
    USING kept, p_batch;
    GET DIAGNOSTICS removed = ROW_COUNT;
    EXECUTE format('SELECT EXISTS (SELECT FROM trigperf.%I WHERE %I < $1)', p_relation, p_moment)
    INTO more USING kept;
END
$$;

CREATE FUNCTION trigperf.retained_check(p_days int, p_batch int) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_days < 1 OR p_batch < 1 OR p_days IS NULL OR p_batch IS NULL THEN
        RAISE EXCEPTION 'expected at least one day and a batch of at least one row, got % and %', p_days, p_batch
            USING ERRCODE = 'invalid_parameter_value', HINT = 'the default keeps 30 days';
    END IF;
END
$$;

-- Each call removes at most p_batch rows of each table; returns how many. The elected context calls it.
CREATE FUNCTION trigperf.metrics_cleanup(p_days int DEFAULT 30, p_batch int DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    PERFORM trigperf.retained_check(p_days, p_batch);
    RETURN (SELECT sum(d.removed) FROM trigperf.retained() AS r
            CROSS JOIN LATERAL trigperf.retained_remove(r.relation, r.moment, p_days, p_batch) AS d);
END
$$;

-- The same for errors alone, which may go while they are young.
CREATE FUNCTION trigperf.cleanup_trigger_error_log(p_days int DEFAULT 30, p_batch int DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_days < 0 OR p_batch < 1 OR p_days IS NULL OR p_batch IS NULL THEN
        RAISE EXCEPTION 'expected days from 0 on and a batch of at least one row, got % and %', p_days, p_batch
            USING ERRCODE = 'invalid_parameter_value', HINT = 'the default keeps 30 days';
    END IF;
    RETURN (SELECT d.removed FROM trigperf.retained_remove('trigger_error_log', 'occurred_at', p_days, p_batch) AS d);
END
$$;

CREATE FUNCTION trigperf.outbox_bytes() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sum(pg_total_relation_size(i.inhrelid))::bigint FROM pg_inherits i
    WHERE i.inhparent = 'trigperf.outbox'::regclass
$$;

-- What a cleanup would find: each table is read once. The bytes of a table are those of its files;
-- what rows took is used again for new ones, the files shrink with VACUUM at best.
CREATE FUNCTION trigperf.cleanup_plan(p_days int) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tables json[] := '{}';
    place  record;
    found  record;
BEGIN
    PERFORM trigperf.retained_check(p_days, 1);
    FOR place IN SELECT r.*, pg_total_relation_size('trigperf.' || quote_ident(r.relation)) AS bytes
                 FROM trigperf.retained() AS r LOOP
        EXECUTE format('SELECT count(*) AS rows, count(*) FILTER (WHERE %2$I < $1) AS due, min(%2$I) AS oldest '
                       'FROM trigperf.%1$I', place.relation, place.moment)
        INTO found USING trigperf.retained_since(place.moment, p_days);
        tables := tables || json_build_object('table', place.relation, 'holds', place.holds, 'rows', found.rows,
            'due', found.due, 'oldest', found.oldest, 'bytes', place.bytes,
            'due_bytes', CASE WHEN found.rows > 0 THEN (place.bytes::numeric * found.due / found.rows)::bigint ELSE 0 END);
    END LOOP;
    RETURN json_build_object('format', 1, 'older_than_days', p_days, 'before', trigperf.retained_since('', p_days),
        'tables', array_to_json(tables),
        'unmerged_hours', (SELECT count(*) FROM trigperf.trigger_performance_metrics m
                           WHERE NOT m.whole_day AND m.hour >= trigperf.retained_since('hour', p_days)
                             AND m.hour < trigperf.hours_kept_since())
                          + (SELECT count(*) FROM trigperf.host_series s
                             WHERE NOT s.whole_day AND s.hour >= trigperf.retained_since('hour', p_days)
                               AND s.hour < trigperf.hours_kept_since()),
        'unused_names', (SELECT count(*) FROM trigperf.host_series_name n
                         WHERE NOT EXISTS (SELECT FROM trigperf.host_series s WHERE s.series_id = n.id)),
        'outbox_bytes', trigperf.outbox_bytes());
END
$$;

-- One step of a cleanup: a batch of each table; when nothing is left of them, a batch of hours that become
-- days; and when nothing is left of those, what is unused: names of series, and parts of the outbox that every
-- position has passed. To be called until "more" is false.
CREATE FUNCTION trigperf.cleanup_step(p_days int, p_batch int DEFAULT 10000) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    tables json;
    more   boolean;
    merged bigint := 0;
    names  bigint := 0;
    outbox bigint := 0;
BEGIN
    PERFORM trigperf.retained_check(p_days, p_batch);
    SELECT json_agg(json_build_object('table', r.relation, 'removed', d.removed)), bool_or(d.more)
    INTO tables, more
    FROM trigperf.retained() AS r
    CROSS JOIN LATERAL trigperf.retained_remove(r.relation, r.moment, p_days, p_batch) AS d;
    IF NOT more THEN
        SELECT d.merged, d.more INTO merged, more FROM trigperf.days_merge(p_batch) AS d;
    END IF;
    IF NOT more THEN
        names := trigperf.series_sweep();
        outbox := trigperf.outbox_bytes();
        PERFORM trigperf.outbox_rotate();
        outbox := outbox - trigperf.outbox_bytes();
    END IF;
    RETURN json_build_object('format', 1, 'older_than_days', p_days, 'tables', tables, 'merged_hours', merged,
                             'unused_names', names, 'outbox_bytes', GREATEST(outbox, 0), 'more', more);
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
