-- Version 3: a trigger function that notifies, for tables whose listeners expect one JSON object a
-- change: {"table","operation","user_id","record_id","agent_id","timestamp","batch_id"}.
--
--     CREATE TRIGGER cache_invalidation_calls AFTER INSERT OR UPDATE OR DELETE ON calls
--         FOR EACH ROW EXECUTE FUNCTION trigperf.notify_cache_invalidation();
--
-- Arguments, each may be left out or empty: the channel (cache_invalidation), then the columns that
-- hold user_id, record_id and agent_id. Without them these are the columns user_id, id and agent_id;
-- of a table users the user is its id, of a table agents the agent is. A column that a table lacks is
-- null.
--
-- As a statement trigger it needs transition tables (under any name) and sends one notification for
-- each distinct tuple. What does not fit, more than 50 tuples or a payload above 7,999 bytes, becomes
-- one notification about the table as a whole, with "resync":true. So does a failure, which stands in
-- trigger_error_log where the writer may write to it, and is a warning otherwise: the user's statement
-- goes on.
--
-- It runs with the rights of the writer, as triggers do: casting values of a table to text may run
-- code of its owner, who shall not gain the rights of the schema's owner by it.

CREATE FUNCTION trigperf.notify_cache_invalidation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    channel  text := COALESCE(NULLIF(TG_ARGV[0], ''), 'cache_invalidation');
    names    text[] := ARRAY[
        COALESCE(NULLIF(TG_ARGV[1], ''), CASE TG_TABLE_NAME WHEN 'users' THEN 'id' ELSE 'user_id' END),
        COALESCE(NULLIF(TG_ARGV[2], ''), 'id'),
        COALESCE(NULLIF(TG_ARGV[3], ''), CASE TG_TABLE_NAME WHEN 'agents' THEN 'id' ELSE 'agent_id' END)];
    stamp    bigint := EXTRACT(epoch FROM now())::bigint;
    batch    text := pg_current_xact_id()::text;
    payloads text[];
    whole    boolean := true;
    rows     text;
    message  text;
    context  text;
    state    text;
    payload  text;
BEGIN
    BEGIN
        IF TG_LEVEL = 'ROW' THEN
            rows := CASE TG_OP WHEN 'INSERT' THEN 'SELECT to_jsonb($2)'
                               WHEN 'DELETE' THEN 'SELECT to_jsonb($1)'
                               ELSE 'SELECT to_jsonb($1) UNION ALL SELECT to_jsonb($2)' END;
        ELSIF TG_OP <> 'TRUNCATE' THEN
            SELECT string_agg(format('SELECT to_jsonb(r) FROM %I r', t.name), ' UNION ALL ') INTO rows
            FROM pg_trigger g CROSS JOIN LATERAL (VALUES (g.tgoldtable), (g.tgnewtable)) AS t(name)
            WHERE g.tgrelid = TG_RELID AND g.tgname = TG_NAME AND t.name IS NOT NULL;
        END IF;
        IF rows IS NOT NULL THEN
            EXECUTE 'SELECT array_agg(json_build_object(''table'', $3, ''operation'', $4, '
                '''user_id'', t.k[1], ''record_id'', t.k[2], ''agent_id'', t.k[3], '
                '''timestamp'', $5, ''batch_id'', $6)::text) FROM (SELECT DISTINCT '
                'ARRAY[i ->> $7[1], i ->> $7[2], i ->> $7[3]] FROM (' || rows || ') AS r(i) '
                'LIMIT 51) AS t(k)'
            INTO payloads
            USING CASE WHEN TG_LEVEL = 'ROW' AND TG_OP <> 'INSERT' THEN OLD END,
                  CASE WHEN TG_LEVEL = 'ROW' AND TG_OP <> 'DELETE' THEN NEW END,
                  TG_TABLE_NAME::text, TG_OP, stamp, batch, names;
            whole := COALESCE(cardinality(payloads), 0) > 50
                  OR EXISTS (SELECT FROM unnest(payloads) AS p WHERE octet_length(p) > 7999);
        END IF;
        IF NOT whole THEN
            FOREACH payload IN ARRAY COALESCE(payloads, '{}') LOOP
                PERFORM pg_notify(channel, payload);
            END LOOP;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT,
            state = RETURNED_SQLSTATE;
        whole := true;
    END;
    IF whole THEN
        BEGIN
            PERFORM pg_notify(channel, json_build_object('table', TG_TABLE_NAME, 'operation', TG_OP,
                'user_id', NULL, 'record_id', NULL, 'agent_id', NULL, 'timestamp', stamp,
                'batch_id', batch, 'resync', true)::text);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'trigperf: nobody was told of a change of %: %',
                format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME), SQLERRM;
        END;
    END IF;
    IF message IS NOT NULL THEN
        BEGIN
            INSERT INTO trigperf.trigger_error_log
                (table_name, operation, error_message, error_context, sqlstate)
            VALUES (format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME), TG_OP, message, context, state);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'trigperf: a change of % was told as one of the whole table: %',
                format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME), message;
        END;
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA trigperf FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trigperf FROM PUBLIC;
