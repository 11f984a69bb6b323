/* The list of checks. A query gives rows of severity, subject, found and fix, none when all is
 * well; it runs under search_path = pg_catalog, pg_temp and changes nothing. */
#include "db/doctor_checks.h"

#include "db/capture.h"
#include "db/doctor_look.h"
#include "db/kpi_text.h"

#define DIGITS(number) #number
#define DIGITS_OF(macro) DIGITS(macro)
#define CAPTURE_GENERATOR DIGITS_OF(TP_CAPTURE_GENERATOR)
#define KPI_GENERATOR DIGITS_OF(TP_KPI_GENERATOR)

/* Whether tables, or consumers, of the write-ahead log are there. */
#define USES_WAL                                                                                   \
    "(EXISTS (SELECT FROM trigperf.captured_table t WHERE t.granularity = 'wal')"                  \
    " OR EXISTS (SELECT FROM trigperf.wal_consumer))"

static const char primary_sql[] =
    "SELECT 'critical', NULL, 'this server is a standby',"
    " 'connect to the primary; with several hosts: target_session_attrs=read-write'"
    " WHERE pg_is_in_recovery()";

static const char encoding_sql[] =
    "SELECT 'warn', NULL, 'the encoding of the database is SQL_ASCII: it holds whatever bytes it is"
    " given', 'keep the values of keys in UTF-8, or move to a database of another encoding'"
    " WHERE current_setting('server_encoding') = 'SQL_ASCII'";

static const char version_sql[] =
    "SELECT 'info', NULL, 'PostgreSQL ' || current_setting('server_version') || ' is newer than 18,"
    " the newest that this version of the library was tested with', 'look for a newer libtrigperf'"
    " WHERE current_setting('server_version_num')::int >= 190000";

static const char jobs_sql[] =
    "SELECT 'warn', 'job ' || j.name, CASE j.state WHEN 'running'"
    " THEN 'it has run for ' || j.run_s || ' s' || COALESCE(', and waits for ' || j.waits_for, '')"
    " ELSE 'it failed ' || j.attempt || ' times in a row: ' || COALESCE(j.error, 'no reason known')"
    " END, CASE j.state WHEN 'running' THEN 'look at its session: SELECT * FROM pg_stat_activity"
    " WHERE application_name LIKE ''% jobs''' ELSE 'mend what the error says; SELECT * FROM"
    " trigperf.job_failures() shows more' END FROM trigperf.jobs() j"
    " WHERE j.state = 'running' AND j.run_s > 900 OR j.state = 'failed' AND j.attempt >= 3";

/* Of other roles' sessions nothing tells what they are, but for those that stream the log, which
 * are counted elsewhere. The last three are little for all contexts and hosts that may come. */
static const char connections_sql[] =
    "SELECT CASE WHEN q.used >= q.most THEN 'critical' ELSE 'warn' END, 'max_connections',"
    " q.used || ' of the ' || q.most || ' connections that are not reserved are in use'"
    " || CASE WHEN q.used >= q.most THEN ': nobody else gets one, jobs and series of contexts wait'"
    " ELSE '' END,"
    " 'raise max_connections, or use fewer: with jobs.connection = shared a context needs one only'"
    " FROM (SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
    " - COALESCE(current_setting('reserved_connections', true)::int, 0),"
    " (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid IS NOT NULL AND a.datid IS NOT NULL"
    " AND a.pid <> pg_backend_pid()"
    " AND COALESCE(a.backend_type, 'client backend') = 'client backend'"
    " AND NOT EXISTS (SELECT FROM pg_stat_replication r WHERE r.pid = a.pid))) AS q(most, used)"
    " WHERE q.used > q.most - 3";

static const char wal_rights_sql[] =
    "SELECT 'warn', r.rolname, 'tables are attached with granularity wal, and the role has no right"
    " to replicate', 'ALTER ROLE ' || quote_ident(r.rolname) || ' REPLICATION'"
    " FROM pg_roles r WHERE r.rolname = CURRENT_USER AND NOT r.rolreplication AND NOT r.rolsuper"
    " AND EXISTS (SELECT FROM trigperf.captured_table t WHERE t.granularity = 'wal')";

static const char tables_sql[] =
    "SELECT CASE WHEN s.state IN ('dropped', 'renamed', 'identity', 'lacking') THEN 'warn'"
    " ELSE 'critical' END,"
    " s.name, CASE s.state WHEN 'dropped' THEN 'the attached table is gone'"
    " WHEN 'renamed' THEN 'the attached table has another name now'"
    " WHEN 'missing' THEN 'capture triggers are gone'"
    " WHEN 'disabled' THEN s.disabled || ' of ' || s.triggers || ' capture triggers are disabled'"
    " WHEN 'rights' THEN 'the owner of the table may not write to the outbox: its statements fail'"
    " WHEN 'subscribed' THEN 'a subscription writes to the table, and its rows are not captured'"
    " WHEN 'unpublished' THEN 'the table is not in the publication trigperf'"
    " WHEN 'refused' THEN 'the server refuses its UPDATE and DELETE statements: it is published, "
    "and"
    " its replica identity does not fit'"
    " WHEN 'untold' THEN 'it has no replica identity, and is not published: while a context follows"
    " the log, it is resynced when it was written to'"
    " WHEN 'unlogged' THEN 'its changes are not written to the log: while a context follows the "
    "log,"
    " it is resynced when it was written to'"
    " WHEN 'foreign' THEN 'a part of it is on another server: while a context follows the log, it "
    "is"
    " resynced every few seconds'"
    " WHEN 'lacking' THEN 'a column that it was attached with is gone: it is told as resyncs if it"
    " was a key, or else by more changes than were asked for'"
    " WHEN 'identity' THEN 'the replica identity does not hold the keys or the columns of the row"
    " filter, or is not FULL where columns are watched: updates come as resyncs, or more of them"
    " than were asked for'"
    " WHEN 'filter' THEN 'the publication trigperf has another row filter for it'"
    " ELSE 'its state is ' || s.state END, s.fix"
    " FROM trigperf.status_tables() s WHERE s.state <> 'ok'";

static const char generated_sql[] =
    "SELECT 'info', g.name, g.what || CASE WHEN g.generator > g.ours THEN ' was made by a newer"
    " version' ELSE ' was made by an older version, and does as that one did' END,"
    " CASE WHEN g.generator > g.ours THEN 'use the newer library' ELSE g.fix END"
    " FROM (SELECT format('%I.%I', c.schema_name, c.table_name), 'its capture function',"
    " c.generator, " CAPTURE_GENERATOR ", 'trigperf apply with the file of your tables; trigperf"
    " apply - --dry-run --undo tables.ini </dev/null writes one'"
    " FROM trigperf.captured_table c WHERE c.granularity <> 'wal' UNION ALL"
    " SELECT format('%I.%I', k.target_schema, k.target_table), 'the KPI',"
    " k.generator, " KPI_GENERATOR ", format('trigperf kpi drop %I.%I, then add it anew',"
    " k.target_schema, k.target_table) FROM trigperf.kpi k) AS g(name, what, generator, ours, fix)"
    " WHERE g.generator IS DISTINCT FROM g.ours ORDER BY 2";

static const char strays_sql[] = "SELECT 'warn', s.relation, 'it has the capture trigger ' || "
                                 "s.trigger || ', and is not attached',"
                                 " s.fix FROM trigperf.status_strays() s";

static const char replica_role_sql[] =
    "SELECT 'warn', COALESCE('role ' || r.rolname, 'database ' || d.datname),"
    " 'session_replication_role is replica there: what is written so fires no capture trigger',"
    " COALESCE('ALTER ROLE ' || quote_ident(r.rolname)"
    " || COALESCE(' IN DATABASE ' || quote_ident(d.datname), ''),"
    " 'ALTER DATABASE ' || quote_ident(d.datname)) || ' RESET session_replication_role"
    " -- or attach the tables with --replicated on'"
    " FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole"
    " LEFT JOIN pg_database d ON d.oid = s.setdatabase"
    " WHERE 'session_replication_role=replica' = ANY (s.setconfig)"
    " AND (s.setdatabase = 0 OR d.datname = current_database())"
    " AND EXISTS (SELECT FROM trigperf.captured_table t WHERE t.granularity <> 'wal'"
    " AND NOT t.replicated)"
    " UNION ALL SELECT 'critical', 'server', 'session_replication_role is replica in the server''s"
    " configuration: no capture trigger fires', 'ALTER SYSTEM RESET session_replication_role;"
    " SELECT pg_reload_conf()'"
    " FROM pg_settings g WHERE g.name = 'session_replication_role' AND g.setting = 'replica'"
    " AND g.source IN ('configuration file', 'command line')";

static const char publications_sql[] =
    "SELECT 'warn', p.pubname, CASE WHEN p.puballtables THEN 'the publication is FOR ALL TABLES, "
    "and"
    " carries the tables of the schema trigperf' ELSE 'the publication carries tables of the schema"
    " trigperf' END, CASE WHEN p.puballtables THEN 'DROP PUBLICATION '"
    " || quote_ident(p.pubname) || '; CREATE PUBLICATION ' || quote_ident(p.pubname)"
    " || ' FOR TABLES IN SCHEMA public -- and others of yours' ELSE 'ALTER PUBLICATION '"
    " || quote_ident(p.pubname) || ' DROP ' || o.ours END"
    " FROM pg_publication p CROSS JOIN LATERAL (SELECT NULLIF(concat_ws(', ',"
    " (SELECT 'TABLES IN SCHEMA trigperf' FROM pg_publication_namespace m WHERE m.pnpubid = p.oid"
    " AND m.pnnspid = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'trigperf')),"
    " (SELECT 'TABLE ' || string_agg('trigperf.' || quote_ident(c.relname), ', ' ORDER BY c.oid)"
    " FROM pg_publication_rel m JOIN pg_class c ON c.oid = m.prrelid WHERE m.prpubid = p.oid"
    " AND c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'trigperf'))),"
    " '')) AS o(ours)"
    " WHERE p.pubname <> 'trigperf' AND (p.puballtables OR o.ours IS NOT NULL)";

static const char slots_sql[] =
    "SELECT 'warn', w.slot, 'no consumer belongs to the replication slot, and nobody reads it; it"
    " keeps ' || pg_size_pretty(COALESCE(w.retained_bytes, 0)) || ' of the log',"
    " 'SELECT pg_drop_replication_slot(' || quote_literal(w.slot) || ')'"
    " FROM trigperf.wal_slots() w JOIN pg_replication_slots s ON s.slot_name = w.slot"
    " WHERE w.consumer IS NULL AND NOT s.active AND NOT s.temporary";

static const char consumers_sql[] =
    "SELECT CASE WHEN l.state IN ('overtaken', 'expired') THEN 'warn'"
    " WHEN l.state = 'away' AND l.seen_age_s > 3600 THEN 'warn' WHEN l.state = 'away' THEN 'info'"
    " WHEN l.lag_seconds > 600 THEN 'critical' ELSE 'warn' END,"
    " l.name || ' (' || l.source || ')',"
    " CASE l.state WHEN 'overtaken' THEN 'what it had not read is gone: it resyncs everything when "
    "it"
    " comes back' WHEN 'expired' THEN 'it is away for ' || round(l.seen_age_s / 3600, 1)"
    " || ' hours, longer than retention.max_age_s: what it has not read is kept no longer'"
    " WHEN 'away' THEN 'nobody reads under this name for ' || round(l.seen_age_s) || ' s, and '"
    " || COALESCE(pg_size_pretty(l.lag_bytes), 'an unknown amount') || ' are kept for it'"
    " ELSE 'it is ' || round(l.lag_seconds) || ' s and ' || pg_size_pretty(l.lag_bytes)"
    " || ' behind, while its program runs' END,"
    " COALESCE(l.fix, 'look at its program: batches that are not acknowledged, or slow ones')"
    " FROM trigperf.consumer_list() l WHERE l.name IS NOT NULL"
    " AND (l.state <> 'reading' OR l.lag_seconds > 60)";

static const char size_sql[] =
    "SELECT CASE WHEN q.bytes >= q.most THEN 'critical' ELSE 'warn' END, 'trigperf.outbox',"
    " 'it takes ' || pg_size_pretty(q.bytes) || ' of ' || pg_size_pretty(q.most)"
    " || CASE WHEN q.bytes >= q.most THEN ': nobody is waited for any more, readers that are behind"
    " will resync' ELSE '' END,"
    " 'find out who is behind (trigperf consumers), or raise retention.max_bytes in"
    " trigperf.setting'"
    " FROM (SELECT (SELECT sum(pg_total_relation_size(i.inhrelid))::bigint FROM pg_inherits i"
    " WHERE i.inhparent = 'trigperf.outbox'::regclass), (SELECT s.value::bigint"
    " FROM trigperf.setting s WHERE s.name = 'retention.max_bytes')) AS q(bytes, most)"
    " WHERE q.bytes >= q.most * 0.8";

static const char wal_limit_sql[] =
    "SELECT CASE WHEN w.overdue THEN 'critical' ELSE 'warn' END, w.slot, 'it keeps '"
    " || pg_size_pretty(w.retained_bytes) || ' of the log, above wal.' || CASE WHEN w.overdue"
    " THEN 'max_bytes: it will be given up' ELSE 'alert_bytes' END,"
    " 'see who is behind: trigperf consumers' FROM trigperf.wal_slots() w WHERE w.alert OR "
    "w.overdue"
    " UNION ALL SELECT 'warn', w.slot, CASE WHEN q.idle THEN 'the server gave the slot up, since"
    " nobody read it for long' ELSE 'the server has removed log that the slot needs (wal_status '"
    " || w.wal_status || ')' END, 'its consumer makes a new one and resyncs; raise '"
    " || CASE WHEN q.idle THEN 'idle_replication_slot_timeout' ELSE 'max_slot_wal_keep_size' END"
    " FROM trigperf.wal_slots() w JOIN (SELECT s.slot_name, COALESCE("
    "to_jsonb(s) ->> 'invalidation_reason' = 'idle_timeout', false) FROM pg_replication_slots s)"
    " AS q(slot, idle) ON q.slot = w.slot WHERE w.wal_status IN ('lost', 'unreserved')"
    " UNION ALL SELECT 'warn', NULL, 'nothing limits the log that is kept for a consumer that is"
    " away: wal.max_bytes is 0, max_slot_wal_keep_size -1', 'UPDATE trigperf.setting SET value ="
    " ''21474836480'' WHERE name = ''wal.max_bytes'' -- or set max_slot_wal_keep_size'"
    " WHERE EXISTS (SELECT FROM trigperf.wal_consumer)"
    " AND (SELECT s.value::numeric FROM trigperf.setting s WHERE s.name = 'wal.max_bytes') = 0"
    " AND current_setting('max_slot_wal_keep_size') = '-1'";

static const char wal_level_sql[] =
    "SELECT CASE WHEN " USES_WAL " THEN 'critical' ELSE 'info' END, NULL, 'wal_level is '"
    " || current_setting('wal_level') || ': source = wal cannot be used',"
    " 'ALTER SYSTEM SET wal_level = logical -- then restart the server'"
    " WHERE current_setting('wal_level') <> 'logical'";

/* As contexts that follow the log do when they look. */
#define PUBLISH_ANEW                                                                               \
    "SELECT trigperf.table_check_all(), trigperf.wal_check_all() -- publishes the tables anew"

static const char publication_sql[] =
    "SELECT 'critical', NULL, 'the publication trigperf is gone', 'CREATE PUBLICATION "
    "trigperf; " PUBLISH_ANEW "'"
    " WHERE " USES_WAL " AND NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf')"
    " UNION ALL SELECT 'critical', NULL, 'the publication trigperf was altered: it does not publish"
    " each kind of change under the name of its own table', 'ALTER PUBLICATION trigperf SET "
    "(publish"
    " = ''insert, update, delete, truncate'', publish_via_partition_root = false);"
    " SELECT trigperf.resync()' FROM pg_publication p WHERE p.pubname = 'trigperf'"
    " AND (NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate) OR p.pubviaroot)"
    " UNION ALL SELECT 'critical', NULL, 'the publication trigperf is FOR ALL TABLES',"
    " 'DROP PUBLICATION trigperf; CREATE PUBLICATION trigperf; " PUBLISH_ANEW "'"
    " FROM pg_publication p WHERE p.pubname = 'trigperf' AND p.puballtables"
    " UNION ALL SELECT 'critical', s.present, 'the publication trigperf has it, though it holds no"
    " rows of an attached table: the server may refuse the writers of what is beneath it, and the"
    " TRUNCATE of a partition is not told', s.withdraw FROM trigperf.wal_strangers() s"
    " UNION ALL SELECT 'critical', w.present, CASE WHEN NOT w.published THEN 'the publication "
    "trigperf"
    " does not have all that holds its rows' ELSE 'the publication trigperf has it with other "
    "columns"
    " or another row filter than it should' END, w.fix"
    " FROM trigperf.wal_tables() w WHERE w.state <> 'overlap' AND (NOT w.published OR w.stale)"
    " AND EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'trigperf' AND NOT "
    "p.puballtables)";

static const char room_sql[] =
    "SELECT CASE WHEN NOT " USES_WAL
    " THEN 'info' WHEN q.used >= q.most THEN 'critical' ELSE 'warn'"
    " END, q.name, q.used || ' of ' || q.most || ' are used', 'ALTER SYSTEM SET ' || q.name || ' = "
    "'"
    " || q.most + 10 || ' -- then restart the server'"
    " FROM (SELECT 'max_replication_slots', (SELECT count(*) FROM pg_replication_slots),"
    " current_setting('max_replication_slots')::int"
    " UNION ALL SELECT 'max_wal_senders', (SELECT count(*) FROM pg_stat_get_wal_senders()),"
    " current_setting('max_wal_senders')::int) AS q(name, used, most)"
    " WHERE q.used + 1 >= q.most";

static const char synchronous_sql[] =
    "SELECT 'warn', NULL, 'synchronous_standby_names is *: commits wait for any connection that"
    " replicates, those of source = wal among them', 'name the standbys in"
    " synchronous_standby_names'"
    " WHERE current_setting('synchronous_standby_names') ~ '(^|[ (,\"])\\*' AND " USES_WAL;

/* Of all databases, as snapshots are, which positions consist of; and new slots wait for them. */
static const char open_sql[] =
    "SELECT 'warn', q.name, q.state || CASE WHEN q.place = current_database() THEN ''"
    " ELSE ' in the database ' || q.place END"
    " || ', and holds back the outbox from being emptied, and new slots from being made', q.fix"
    " FROM (SELECT x.gid, x.database,"
    " 'it is prepared for ' || date_trunc('second', clock_timestamp() - x.prepared),"
    " 'COMMIT PREPARED ' || quote_literal(x.gid) || ' -- or ROLLBACK PREPARED, in its database'"
    " FROM pg_prepared_xacts x WHERE x.prepared < clock_timestamp() - interval '5 minutes'"
    " UNION ALL SELECT 'pid ' || a.pid, a.datname, 'its transaction is open for '"
    " || date_trunc('second', clock_timestamp() - a.xact_start) || ', state ' || a.state,"
    " 'SELECT pg_terminate_backend(' || a.pid || ') -- when nobody needs it'"
    " FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.datname IS NOT NULL"
    " AND a.xact_start < clock_timestamp() - interval '10 minutes') AS q(name, place, state, fix)";

static const char members_sql[] =
    "SELECT CASE WHEN EXISTS (SELECT FROM trigperf.consumer_list() l WHERE l.owner = m.instance"
    " AND l.name IS NOT NULL) THEN 'warn' ELSE 'info' END,"
    " m.application || ' ' || m.instance, 'the context gave its last sign of life '"
    " || round(EXTRACT(epoch FROM clock_timestamp() - m.seen_at)) || ' s ago, and did not say"
    " goodbye', 'if it was killed: nothing, it is forgotten after an hour; if it still runs, its "
    "host"
    " does not process it'"
    " FROM trigperf.member m WHERE m.seen_at < clock_timestamp() - interval '30 seconds'";

static const char rotation_sql[] =
    "SELECT CASE WHEN s.value::bigint / 4 < (SELECT sum(pg_total_relation_size(i.inhrelid))"
    " FROM pg_inherits i WHERE i.inhparent = 'trigperf.outbox'::regclass) THEN 'warn' ELSE 'info' "
    "END,"
    " NULL, 'tables are attached and no context is connected: nobody empties the outbox',"
    " 'run the programs, or let something call SELECT trigperf.outbox_rotate() now and then'"
    " FROM trigperf.setting s WHERE s.name = 'retention.max_bytes'"
    " AND EXISTS (SELECT FROM trigperf.captured_table t WHERE t.granularity <> 'wal')"
    " AND NOT EXISTS (SELECT FROM trigperf.member m WHERE m.seen_at > clock_timestamp()"
    " - interval '30 seconds')";

static const char settings_sql[] =
    "SELECT 'critical', s.name, 'the setting is ' || quote_literal(s.value) || ', which is no "
    "number:"
    " readers and rotation fail', 'UPDATE trigperf.setting SET value = ' || quote_literal(d.value)"
    " || ' WHERE name = ' || quote_literal(s.name)"
    " FROM trigperf.setting s JOIN (VALUES ('retention.max_age_s', '86400'),"
    " ('retention.max_bytes', '1073741824'), ('wal.alert_bytes', '1073741824'),"
    " ('wal.max_bytes', '0')) AS d(name, value) ON d.name = s.name"
    " WHERE s.value !~ '^[0-9]{1,18}$'";

static const char errors_sql[] =
    "SELECT 'warn', e.latest, e.count || ' in the last 24 hours; the newest, at ' || e.at || ': '"
    " || e.message, 'SELECT * FROM trigperf.trigger_error_log ORDER BY id DESC -- delete what was "
    "dealt"
    " with' FROM (SELECT count(*), max(x.occurred_at)::timestamptz(0),"
    " (array_agg(x.table_name ORDER BY x.occurred_at DESC))[1],"
    " (array_agg(x.error_message ORDER BY x.occurred_at DESC))[1] FROM trigperf.trigger_error_log x"
    " WHERE x.occurred_at > clock_timestamp() - interval '24 hours') AS e(count, at, latest, "
    "message)"
    " WHERE e.count > 0";

static const char timing_sql[] =
    "SELECT 'info', NULL, 'track_functions is ' || current_setting('track_functions')"
    " || ': the server does not time trigger functions',"
    " 'ALTER SYSTEM SET track_functions = pl; SELECT pg_reload_conf()'"
    " WHERE current_setting('track_functions') = 'none'";

#define DELIVERY "delivery"

const tp_doctor_check tp_doctor_checks[] = {
    {.name = "version",
     .area = "server",
     .why = "what was not tested may behave otherwise",
     .fine = "this version of the server is supported",
     .sql = version_sql},
    {.name = "primary",
     .area = "server",
     .why = "changes are read where they are written",
     .fine = "this server is a primary",
     .sql = primary_sql},
    {.name = "encoding",
     .area = "server",
     .why = "a key that is not UTF-8 cannot be told: each change of one resyncs its table",
     .fine = "what the database holds can be told in UTF-8",
     .sql = encoding_sql},
    {.name = "pooler",
     .area = "server",
     .why = "in transaction mode LISTEN seems to work, but nothing ever arrives",
     .fine = "nothing stands between this host and the server",
     .primary = true,
     .outside = true,
     .look = tp_doctor_look_pooler},
    {.name = "clock",
     .area = "server",
     .why = "times in the database and in logs and metrics of this host do not fit together",
     .fine = "both clocks agree",
     .look = tp_doctor_look_clock},
    {.name = "connections",
     .area = "server",
     .why = "a context needs one, another one at times for jobs and series, and tries again until "
            "it gets it",
     .fine = "connections are left",
     .sql = connections_sql},
    {.name = "track_functions",
     .area = "server",
     .why = "times of triggers are taken from the server's statistics",
     .fine = "trigger functions are timed",
     .sql = timing_sql},
    {.name = "schema",
     .area = "schema",
     .why = "contexts refuse to work with a schema that does not fit",
     .fine = "the schema is that of this library",
     .look = tp_doctor_look_schema},
    {.name = "settings",
     .area = "schema",
     .why = "functions of the schema read them with each call",
     .fine = "the settings are numbers",
     .schema = true,
     .sql = settings_sql},
    {.name = "rights",
     .area = "schema",
     .why = "a context under this role is refused",
     .fine = "the role has all rights of a consumer",
     .look = tp_doctor_look_rights},
    {.name = "tables",
     .area = DELIVERY,
     .why = "changes of the table are not told, or not key by key",
     .fine = "all attached tables are captured",
     .schema = true,
     .sql = tables_sql},
    {.name = "generated",
     .area = DELIVERY,
     .why = "what a version improves holds for tables that are attached by it",
     .fine = "all generated functions are of this version",
     .schema = true,
     .sql = generated_sql},
    {.name = "strays",
     .area = DELIVERY,
     .why = "they write rows that mean nothing to anybody, or fail",
     .fine = "no table that is not attached has capture triggers",
     .schema = true,
     .sql = strays_sql},
    {.name = "rules",
     .area = DELIVERY,
     .why = "each change that the rule may concern is told as a resync",
     .fine = "all rules are understood",
     .schema = true,
     .look = tp_doctor_look_rules},
    {.name = "replication_role",
     .area = DELIVERY,
     .why = "under session_replication_role = replica ordinary triggers do not fire",
     .fine = "no role or database switches triggers off",
     .schema = true,
     .sql = replica_role_sql},
    {.name = "publications",
     .area = DELIVERY,
     .why = "every subscriber receives the whole outbox, and one that has the schema too reads "
            "changes of another server",
     .fine = "no publication carries our tables",
     .schema = true,
     .sql = publications_sql},
    {.name = "errors",
     .area = DELIVERY,
     .why = "each of them became a resync of its table, or of everything",
     .fine = "no errors of capture in the last 24 hours",
     .schema = true,
     .sql = errors_sql},
    {.name = "consumers",
     .area = DELIVERY,
     .why = "its caches hold what was true before",
     .fine = "all named consumers read, and are not far behind",
     .schema = true,
     .primary = true,
     .sql = consumers_sql},
    {.name = "members",
     .area = DELIVERY,
     .why = "one that hangs does not deliver; ephemeral ones are waited for during a minute",
     .fine = "all contexts give signs of life",
     .schema = true,
     .primary = true,
     .sql = members_sql},
    {.name = "rotation",
     .area = DELIVERY,
     .why = "the outbox grows with every captured statement",
     .fine = "the outbox is emptied",
     .schema = true,
     .primary = true,
     .sql = rotation_sql},
    {.name = "outbox",
     .area = DELIVERY,
     .why = "above retention.max_bytes rows are removed that somebody has not read",
     .fine = "the outbox is well below its limit",
     .schema = true,
     .sql = size_sql},
    {.name = "open",
     .area = DELIVERY,
     .why = "a part of the outbox is emptied only when no transaction that may have written to it "
            "runs, and a slot is made when those have ended that ran before",
     .fine = "no transaction is open for long",
     .schema = true,
     .primary = true,
     .sql = open_sql},
    {.name = "jobs",
     .area = DELIVERY,
     .why = "what it does for the database is not done: measuring, alerts, retention, KPIs",
     .fine = "no job fails again and again, or runs for long",
     .schema = true,
     .primary = true,
     .sql = jobs_sql},
    {.name = "wal_level",
     .area = "wal",
     .why = "only a log of that level can be read",
     .fine = "the log can be read",
     .schema = true,
     .sql = wal_level_sql},
    {.name = "wal_rights",
     .area = "wal",
     .why = "a context with source = wal under this role is refused",
     .fine = "the role may replicate, or no table needs it",
     .schema = true,
     .sql = wal_rights_sql},
    {.name = "wal_publication",
     .area = "wal",
     .why = "what it leaves out is told to nobody who follows the log",
     .fine = "the publication is as it was made, or no table needs it",
     .schema = true,
     .sql = publication_sql},
    {.name = "wal_room",
     .area = "wal",
     .why = "each context with source = wal takes one",
     .fine = "there is room for slots and senders",
     .schema = true,
     .sql = room_sql},
    {.name = "wal_synchronous",
     .area = "wal",
     .why = "a slow host would delay every writer",
     .fine = "no commit waits for a reader of the log",
     .schema = true,
     .sql = synchronous_sql},
    {.name = "slots",
     .area = "wal",
     .why = "the server keeps its log for them until the disk is full",
     .fine = "every slot has a consumer",
     .schema = true,
     .sql = slots_sql},
    {.name = "wal_lag",
     .area = "wal",
     .why = "the server keeps its log for a consumer that does not read, until the disk is full",
     .fine = "slots keep little of the log, and there is a limit",
     .schema = true,
     .sql = wal_limit_sql},
};

const uint32_t tp_doctor_check_count = sizeof tp_doctor_checks / sizeof tp_doctor_checks[0];
