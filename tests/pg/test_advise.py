#!/usr/bin/python3
# suite: versions
"""Triggers of a database and advice about them: figures, findings, and SQL that is run and undone."""

import csv
import io
import json

import harness
from harness import check, contains, equal, test

CATALOGS = """
select 'trigger', concat_ws(' | ', pg_get_triggerdef(t.oid), tgenabled, tgparentid <> 0, obj_description(t.oid, 'pg_trigger'))
  from pg_trigger t where not tgisinternal
union all select 'function', concat_ws(' | ', p.oid::regprocedure, md5(prosrc), prosecdef, proconfig, provolatile)
  from pg_proc p join pg_namespace n on n.oid = pronamespace where n.nspname !~ '^(pg_|information)'
union all select 'constraint', concat_ws(' | ', conrelid::regclass, conname, pg_get_constraintdef(c.oid), convalidated,
  obj_description(c.oid, 'pg_constraint')) from pg_constraint c
union all select 'class', concat_ws(' | ', c.oid::regclass, relkind, relchecks) from pg_class c where c.oid >= 16384
order by 1, 2"""

FUNCTION = "create function {name}() returns trigger language plpgsql{more} as $body$ {body} $body$;"


def function(db, name, body, more=""):
    db.sql(FUNCTION.format(name=name, body=body, more=more))


def advise(db, *args):
    return json.loads(db.trigperf("triggers", *args, "--advise", "--format", "json").out)


def findings(db, *args):
    return {(one["id"], one["trigger"]): one for one in advise(db, *args)["findings"]}


def ids(db, *args):
    return sorted({one["id"] for one in advise(db, *args)["findings"]})


def load(db, table, rows=20000, values="i, 1", columns="id, n"):
    """Rows in one statement, whose statistics have arrived afterwards."""
    db.sql(f"insert into {table}({columns}) select {values} from generate_series(1, {rows}) i")


def settle(db):
    """Waits until the statistics of what was written are there."""
    db.sql("select pg_stat_force_next_flush(); vacuum analyze")


def round_trip(db, finding):
    """The SQL runs, changes the catalogs, and its undo brings them back."""
    before = db.rows(CATALOGS)
    check(finding["sql"] and finding["undo"], f"no SQL: {finding!r}")
    db.sql(finding["sql"])
    after = db.rows(CATALOGS)
    check(after != before, f"the SQL changed nothing: {finding['sql']}")
    db.sql(finding["undo"])
    now = db.rows(CATALOGS)
    equal([row for row in now if row not in before], [], f"what the undo left: {finding['undo']}")
    equal([row for row in before if row not in now], [], f"what the undo did not bring back: {finding['undo']}")


@test("an empty database has no triggers, and a clean schema no findings")
def _(db):
    equal(json.loads(db.trigperf("triggers", "--format", "json").out)["triggers"], [], "triggers")
    equal(db.trigperf("triggers", "--format", "csv").out, "", "CSV")
    equal(advise(db)["findings"], [], "findings of an empty database")
    db.sql("""create table calls(id int primary key, n int check (n >= 0), updated_at timestamptz, doc json);
        create table audit(id int, what text); create table totals(day date primary key, n bigint)""")
    function(db, "touch", "begin new.updated_at := now(); return new; end")
    function(db, "note", """begin -- NOTIFY in a comment, EXCEPTION WHEN too; UPDATE calls SET n = n + 1;
        /* perform pg_notify('a', 'b'); /* nested */ execute 'x' */
        insert into audit select id, 'notify; execute ''update calls set n = n + 1'' ' from changed where n > 0;
        raise exception using message = 'never' where false; return null; exception_ := 1; end""".replace(
            "raise exception using message = 'never' where false; ", "").replace(" exception_ := 1;", ""))
    function(db, "add_up", """begin insert into totals select current_date, count(*) from changed where true
        on conflict (day) do update set n = excluded.n; return null; end""", " security definer set search_path = public, pg_temp")
    db.sql("""create trigger touch before update on calls for each row execute function touch();
        create trigger note after insert on calls referencing new table as changed for each statement execute function note();
        create trigger add_up after insert on calls referencing new table as changed for each statement execute function add_up()""")
    load(db, "calls", 3000)
    settle(db)
    equal(advise(db)["findings"], [], "findings of a clean schema")


@test("triggers of ours give no findings")
def _(installed):
    installed.sql("create table calls(id int primary key, n int)")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "row")
    installed.sql("create table others(id int primary key, n int)")
    installed.attach("others", "--key", "id", "--rule", "other:{id}", "--isolate", "full")
    load(installed, "calls")
    load(installed, "others")
    settle(installed)
    equal(advise(installed)["findings"], [], "findings")
    listed = json.loads(installed.trigperf("triggers", "--format", "json").out)["triggers"]
    check(listed and all(one["ours"] for one in listed), f"ours: {listed!r}")


@test("triggers are listed with what they are, whatever their names")
def _(db):
    db.sql("""create schema "My Schema"; create table "My Schema"."Cal""ls"(id int primary key, "a b" int, doc json);
        create table plain(id int); create view v as select id from plain;
        create table parts(id int, k int) partition by list (k); create table parts_1 partition of parts for values in (1)""")
    function(db, '"My Schema"."we ird"', "begin return new; end")
    db.sql("""create trigger "T,1" before update of "a b" on "My Schema"."Cal""ls" for each row
          when (old."a b" is distinct from new."a b") execute function "My Schema"."we ird"('x', 'y\\z');
        create trigger two after insert or delete on plain for each statement execute function "My Schema"."we ird"();
        create trigger three instead of insert on v for each row execute function "My Schema"."we ird"();
        create trigger four after insert on parts for each row execute function "My Schema"."we ird"();
        create constraint trigger five after insert on plain for each row execute function "My Schema"."we ird"();
        alter table plain disable trigger two; alter table "My Schema"."Cal""ls" enable always trigger "T,1" """)
    db.sql(f"alter database {db.name} set track_functions = 'none'")
    answer = json.loads(db.trigperf("triggers", "--format", "json").out)
    listed = {(one["table"], one["trigger"]): one for one in answer["triggers"]}
    equal(sorted(listed), [('"My Schema"."Cal""ls"', "T,1"), ("public.parts", "four"), ("public.parts_1", "four"),
                           ("public.plain", "five"), ("public.plain", "two"), ("public.v", "three")], "triggers")
    one = listed['"My Schema"."Cal""ls"', "T,1"]
    equal([one[name] for name in ("timing", "level", "events", "update_of", "when", "enabled", "language", "ours")],
          ["before", "row", ["update"], ["a b"], True, "always", "plpgsql", False], "the first")
    equal(one["calls"], None, "calls that were not measured")
    equal(listed["public.plain", "two"]["enabled"], "off", "a trigger switched off")
    equal(listed["public.v", "three"]["timing"], "instead of", "a view's")
    check(listed["public.parts_1", "four"]["inherited"] and listed["public.plain", "five"]["constraint"], "kinds")
    contains(answer["hint"], "track_functions", "how to measure")
    rows = list(csv.DictReader(io.StringIO(db.trigperf("triggers", "--format", "csv").out, newline="")))
    equal(len(rows), 6, "rows of the CSV")
    equal((rows[0]["table"], rows[0]["trigger"], rows[0]["calls"]), ('"My Schema"."Cal""ls"', "T,1", ""), "CSV")
    shown = db.trigperf("triggers")
    contains(shown.out, '"My Schema"."we ird"', "text")
    contains(shown.err, "track_functions", "hint of the text")
    equal(len(json.loads(db.trigperf("triggers", "plain", "--format", "json").out)["triggers"]), 2, "of one table")
    contains(db.trigperf("triggers", "nowhere", ok=1).err, "nowhere", "an unknown table")


@test("the share of executions without work is told where it was measured")
def _(installed):
    installed.sql("create table calls(id int primary key, n int); create table others(id int primary key)")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "row")
    installed.attach("others", "--key", "id", "--rule", "other:{id}")
    installed.sql("""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, function_name, executions, skipped)
        select now(), 'function', 'public.calls', 'trigperf.' || function_name, 1000, 250 from trigperf.captured_table where table_name = 'calls'""")
    shares = {(one["table"], one["no_op_share"]) for one in json.loads(installed.trigperf("triggers", "--format", "json").out)["triggers"]}
    equal(shares, {("public.calls", 0.25), ("public.others", None)}, "shares")
    contains(installed.trigperf("triggers").out, "25.0 %", "text, in the form of the report")
    installed.sql("update trigperf.trigger_performance_metrics set executions = 150, samples = 10, histogram = array[500::bigint << 48 | 500]")
    contains(installed.trigperf("triggers").out, "50.0 %", "of the sampled ones, as in the report")
    installed.sql("do $$ begin create role onlooker login; exception when duplicate_object then null; end $$")
    other = installed.as_user("onlooker")
    equal({one["no_op_share"] for one in json.loads(other.trigperf("triggers", "--format", "json").out)["triggers"]}, {None}, "without rights")


@test("calls and times are those that the server measured")
def _(db):
    db.sql("create table calls(id int, n int)")
    function(db, "one", "begin return null; end")
    db.sql("""create trigger a after insert on calls for each row execute function one();
        create trigger b after update on calls for each row execute function one()""")
    db.sql("set track_functions = 'pl'; insert into calls select i, i from generate_series(1, 50) i; select pg_stat_force_next_flush()")
    listed = json.loads(db.trigperf("triggers", "--format", "json").out)["triggers"]
    equal([(one["calls"], one["shared_by"]) for one in listed], [(50, 2), (50, 2)], "calls")
    check(listed[0]["total_ms"] >= listed[0]["mean_ms"] > 0, f"times: {listed[0]!r}")
    shown = db.trigperf("triggers")
    contains(shown.err, "several triggers", "what shared figures mean")
    equal(shown.out.count(" (2 triggers) "), 2, "lines that say so")


@test("a role without any right lists and advises")
def _(db):
    db.sql("create role nobody_at_all login")
    db.sql("create schema hidden; revoke all on schema hidden from public; create table hidden.t(id int)")
    function(db, "hidden.f", "begin notify x; return new; end")
    db.sql("create trigger t after insert on hidden.t for each row execute function hidden.f()")
    other = db.as_user("nobody_at_all")
    equal(len(json.loads(other.trigperf("triggers", "--format", "json").out)["triggers"]), 1, "triggers")
    equal(ids(other), ["notify_on_write_path"], "findings")


@test("a row trigger on a table written in bulk")
def _(db):
    db.sql("""create table calls(id int primary key, n int); create table g(id int, n int, d int generated always as (n * 2) stored);
        create table p(id int, n int) partition by range (id); create table p1 partition of p for values from (0) to (1000000)""")
    function(db, "work", "begin return new; end")
    db.sql("""create trigger twice after insert or update on calls for each row execute function work('a', 'b''c\\d');
        create trigger only_update after update on calls for each row execute function work();
        create trigger early before update on g for each row execute function work();
        create trigger late after update on g for each row execute function work();
        create trigger part after update on p for each row execute function work();
        create trigger off after update on calls for each row execute function work();
        alter table calls disable trigger off; alter table calls enable replica trigger only_update;
        comment on trigger only_update on calls is 'it''s mine'""")
    for table in ("calls", "g", "p"):
        load(db, table)
        db.sql(f"update {table} set n = n + 1; update {table} set n = n + 1")
    settle(db)
    found = findings(db)
    equal(sorted(key for key in found), [("row_trigger_on_bulk_table", name) for name in
                                         ("early", "late", "only_update", "part", "twice")], "findings")
    for name in ("twice", "only_update", "late", "part"):
        round_trip(db, found["row_trigger_on_bulk_table", name])
    equal(found["row_trigger_on_bulk_table", "early"]["sql"], None, "a row with generated columns is not seen before")
    equal(found["row_trigger_on_bulk_table", "twice"]["evidence"]["rows"], 60000, "rows")
    db.sql(found["row_trigger_on_bulk_table", "twice"]["sql"])
    definitions = db.rows("select tgname, pg_get_triggerdef(oid) from pg_trigger where tgname like 'twice%' order by 1")
    contains(definitions[0][1], "AFTER INSERT ON public.calls FOR EACH ROW EXECUTE FUNCTION work('a', ", "the first half")
    contains(definitions[1][1], "*<> new.*)", "the second half")


@test("row triggers that have to be, cheap ones and counters are not told to become statement triggers")
def _(db):
    db.sql("create table calls(id int primary key, n int, at timestamptz); create table counters(k int primary key, n bigint)")
    function(db, "touch", "begin new.at := now(); return new; end")
    function(db, "refuse", "begin if new.n < 0 then return null; end if; return new; end")
    function(db, "slow", "begin perform pg_sleep(0.0001); return null; end")
    function(db, "cheap", "begin return null; end")
    function(db, "counting", "begin update counters set n = n + 1 where k = new.n; return null; end")
    db.sql("""create trigger touch before update on calls for each row execute function touch();
        create trigger refuse before insert on calls for each row execute function refuse();
        create constraint trigger later after insert on calls for each row execute function slow();
        create trigger slow after insert on calls for each row execute function slow();
        create trigger cheap after insert on calls for each row execute function cheap();
        create trigger counting after insert on calls for each row execute function counting()""")
    load(db, "calls", 12000)
    db.sql("update calls set n = n + 1; update calls set n = n + 1; update calls set n = n + 1")
    settle(db)
    answer = [one for one in advise(db)["findings"] if one["table"] == "public.calls"]
    equal({one["trigger"] for one in answer if one["id"] == "counter_updated_per_row"}, {"counting"}, "counters")
    found = {one["trigger"]: one for one in answer if one["id"] == "row_trigger_on_bulk_table"}
    equal(sorted(found), ["cheap", "later", "refuse", "slow", "touch"], "findings")
    equal([found[name]["severity"] for name in ("later", "refuse", "touch")], ["info"] * 3, "severities")
    check(found["slow"]["severity"] != "info", "one that could be a statement trigger")
    for name in ("later", "refuse", "touch"):
        contains(found[name]["why"], "no statement trigger can take its place", name)
        check("REFERENCING" not in found[name]["steps"], f"steps of {name}")
    equal(found["cheap"]["severity"] == "info", found["cheap"]["evidence"]["mean_ms"] < 0.005, "a cheap one")
    equal(found["slow"]["evidence"]["calls"], 24000, "calls, of both that share it")


@test("where reading hides the size of statements, many rows are told as what they are: not known")
def _(db):
    db.sql("create table calls(id int, n int); create table few(id int, n int)")
    function(db, "work", "begin return new; end")
    for table, rows in (("calls", 120000), ("few", 20000)):
        db.sql(f"create trigger work after insert on {table} for each row execute function work()")
        db.sql(f"insert into {table} select i, 1 from generate_series(1, {rows}) i")
    db.sql("do $$ begin for i in 1..8000 loop commit; end loop; end $$")
    settle(db)
    equal([(one["id"], one["table"], one["severity"], one["evidence"]["rows"], one["evidence"]["rows_per_statement"], one["sql"])
           for one in advise(db)["findings"]], [("row_trigger_on_bulk_table", "public.calls", "info", 120000, None, None)], "findings")
    contains(db.trigperf("triggers", "--advise").out, "install pg_stat_statements", "text")


@test("rows for each statement come from pg_stat_statements where it is")
def _():
    try:
        cluster = harness.Cluster(options=["-c shared_preload_libraries=pg_stat_statements"])
    except harness.Failure:
        harness.skip("this server has no pg_stat_statements")
    with cluster:
        db = cluster.database()
        db.sql("create schema stats; create extension pg_stat_statements schema stats; create table calls(id int, n int)")
        function(db, "work", "begin return new; end")
        db.sql("create trigger work after insert on calls for each row execute function work()")
        for _ in range(4):
            db.sql("/* a load */ insert into calls select i, 1 from generate_series(1, 5000) i")
        settle(db)
        answer = advise(db)
        equal(answer["statements_from"], "pg_stat_statements", "source")
        equal([(one["id"], one["evidence"]["rows_per_statement"], one["evidence"]["estimated_from"], one["sql"])
               for one in answer["findings"]],
              [("row_trigger_on_bulk_table", 5000, "pg_stat_statements", None)], "findings")
        other = db.as_user("postgres")
        db.sql("drop extension pg_stat_statements")
        equal(advise(other)["statements_from"], "counters", "source without the extension")


@test("guards go to WHEN, updates without condition are told")
def _(db):
    db.sql("create table calls(id int primary key, n int, \"Odd n\" int, status text)")
    function(db, "guarded", """begin if (NEW.status is distinct from OLD.status) or new."Odd n" <> old."Odd n" -- yes
        then insert into calls values (-new.id) on conflict do nothing; end if; return null; end;""")
    function(db, "other", "declare x int; begin if new.n > 5 then x := 1; else x := 2; end if; return null; end")
    db.sql("""create trigger guarded after update on calls for each row execute function guarded();
        create trigger other after update on calls for each row execute function other();
        create trigger of_one after update of n on calls for each row execute function other('x')""")
    db.sql("insert into calls values (1, 1), (2, 1)")
    db.sql("do $$ begin for i in 1..10050 loop update calls set n = i where id = 1; commit; end loop; end $$")
    settle(db)
    found = findings(db)
    equal(sorted(found), [("guard_inside_function", "guarded"), ("update_trigger_without_condition", "other")], "findings")
    round_trip(db, found["guard_inside_function", "guarded"])
    round_trip(db, found["update_trigger_without_condition", "other"])
    db.sql(found["guard_inside_function", "guarded"]["sql"])
    db.sql("update calls set status = 'x' where id = 1")
    equal(db.value("select count(*) from calls where id = -1"), "1", "the trigger still runs when it should")


def told_by_helpers(db):
    """NOTIFY in functions that trigger functions call, near and far, and in some that they only seem to call."""
    db.sql("""create schema "Far"; create table "Far".tell(id int);
        create function "Far"."Tell it"(t text) returns void language plpgsql as $$ begin perform pg_notify('c', t); end $$;
        create function pass_on(i int) returns void language sql as $$ select "Far"."Tell it"(i::text) $$;
        create function further(i int) returns int language plpgsql as $$ begin perform public.PASS_ON(i); return i; end $$;
        create function tell(i int) returns void language plpgsql as $$ begin notify c; end $$;
        create function quiet(i int) returns void language sql as $$ select 'pg_notify(1, 2)' -- notify tell(1)
        $$""")
    calls = {"near": 'perform "Far"."Tell it"(\'x\')', "far": "if further(new.id) > 0 then null; end if", "other": 'perform "Far".pass_on(1)',
             "silent": "perform quiet(1)", "named": 'insert into "Far".tell (id) values (1); insert into tell(id) values (1)'}
    for name, body in calls.items():
        function(db, name, f"begin {body}; return null; end")
        db.sql(f"create trigger {name} after insert on calls for each row execute function {name}()")
    told = {trigger: one for (kind, trigger), one in findings(db, "calls").items() if kind == "notify_on_write_path" and trigger in calls}
    equal({name: one["evidence"]["by"] for name, one in told.items()}, {"near": '"Far"."Tell it"', "far": "public.further"}, "who notifies")
    contains(told["far"]["message"], "calls public.further, which sends NOTIFY", "message")
    contains(told["near"]["no_sql"], "what else", "no SQL")
    db.sql("".join(f"drop trigger {name} on calls;" for name in calls))


@test("what functions do on the write path")
def _(db):
    db.sql("create table calls(id int primary key, n int, at timestamptz); create table stats(k int primary key, n int, at timestamptz); create table log(id int)")
    function(db, "notifies", "begin perform pg_catalog.pg_notify('c', new.id::text); return null; end")
    function(db, "notifies_dynamically", "begin EXECUTE $q$ NOTIFY c, 'x' $q$; return null; end")
    function(db, "counts", "begin insert into stats values (1, 1) on conflict (k) do update set n = stats.n + 1; return null; end")
    function(db, "catches", "begin begin insert into log values (new.id); exception when others then null; end; return null; end")
    function(db, "pastes", "begin execute 'insert into log values (' || new.id || ')'; return null; end")
    function(db, "plans", "begin execute 'insert into log values ($1)' using new.id; return null; end")
    function(db, "limits", """begin if exists (select from stats where k = new.n and at > now() - interval '1 minute') then return null; end if;
        insert into log values (1); return null; end""")
    function(db, "limits_too", "begin update stats set at = now(), n = 1 where k = new.n and at < clock_timestamp() - interval '1 minute'; return null; end")
    function(db, "sweeps", "begin delete from stats where at < now() - interval '30 days'; return null; end")
    for name in ("notifies", "notifies_dynamically", "counts", "catches", "pastes", "plans", "limits", "limits_too", "sweeps"):
        db.sql(f"create trigger {name} after insert on calls for each row execute function {name}()")
    db.sql("do $$ begin for i in 1..10050 loop insert into calls values (i, 1); commit; end loop; end $$")
    settle(db)
    found = {key: one for key, one in findings(db).items() if key[0] != "row_trigger_on_bulk_table"}
    equal(sorted(found), [("counter_updated_per_row", "counts"), ("dynamic_sql", "notifies_dynamically"),
                          ("dynamic_sql", "pastes"), ("dynamic_sql", "plans"), ("exception_block_in_hot_trigger", "catches"),
                          ("notify_on_write_path", "notifies"), ("notify_on_write_path", "notifies_dynamically"),
                          ("skip_if_recent", "limits"), ("skip_if_recent", "limits_too")], "findings")
    equal([found["dynamic_sql", name]["severity"] for name in ("pastes", "plans")], ["critical", "info"], "dynamic SQL")
    equal(found["exception_block_in_hot_trigger", "catches"]["evidence"]["blocks_that_write"], 1, "blocks")
    round_trip(db, found["notify_on_write_path", "notifies"])
    function(db, "sets", "begin new.n := 7; perform pg_notify('c', ''); return new; end")
    function(db, "refuses", "begin if new.n < 0 then raise exception 'no'; end if; notify c; return null; end")
    db.sql("""create trigger sets before insert on calls for each row execute function sets();
        create trigger refuses after insert on calls for each row execute function refuses()""")
    more = findings(db, "calls")
    for name, why in (("sets", "sets or refuses"), ("refuses", "let through")):
        equal(more["notify_on_write_path", name]["sql"], None, f"switching {name} off would end what else it does")
        contains(more["notify_on_write_path", name]["no_sql"], why, name)
    db.sql("drop trigger sets on calls; drop trigger refuses on calls")
    told_by_helpers(db)
    text = db.trigperf("triggers", "--advise")
    check(all(line.startswith("--") or not line for line in text.out.split("\n")), "text is comments")
    contains(text.out, "-- undo:", "text")
    for one in advise(db)["findings"]:
        check(one["sql"] is not None or "the SQL here" not in (one["steps"] or ""), f"SQL that is not there: {one!r}")
        equal(one["sql"] is None, one["no_sql"] is not None, f"a reason where there is no SQL, and only there: {one!r}")
    contains(text.out, "-- no SQL:", "text")


@test("SECURITY DEFINER, duplicates, recursion, circles")
def _(db):
    db.sql("""create schema app; create table app.a(id int primary key, n int); create table app.b(id int primary key, n int);
        create table solo(id int, n int, sum int)""")
    function(db, "app.definer", "begin return new; end", " security definer")
    function(db, "app.to_b", "begin update app.b set n = new.n where id = new.id; return null; end")
    function(db, "app.to_a", "begin update app.a set n = new.n where id = new.id; return null; end")
    function(db, "app.once", "begin if pg_trigger_depth() = 1 then update app.a set n = 1 where id = 0; end if; return null; end")
    function(db, "again", "begin update solo set sum = n + 1 where id = new.id; return null; end")
    db.sql("""create trigger d1 before insert on app.a for each row execute function app.definer();
        create trigger d2 before insert or update on app.a for each row execute function app.definer();
        comment on trigger d1 on app.a is 'old'; alter table app.a enable always trigger d1; alter table app.a enable always trigger d2;
        create trigger d3 before insert on app.b for each row execute function app.definer();
        create trigger d4 after insert on app.b for each row execute function app.definer();
        create trigger d5 before insert on app.b for each row when (new.n > 0) execute function app.definer();
        create trigger to_b after update on app.a for each row execute function app.to_b();
        create trigger to_a after update on app.b for each row execute function app.to_a();
        create trigger once after update on app.b for each row execute function app.once();
        create trigger again after update on solo for each row when (new.n is not null) execute function again();
        create trigger other after update of n on solo for each row execute function again()""")
    settle(db)
    found = findings(db)
    for finding in found.values():
        equal(finding["no_sql"], None, "why there is no SQL where there is")
    equal(sorted(found), [("duplicate_trigger", "d1"), ("duplicate_trigger", "d5"), ("recursion", "again"),
                          ("security_definer_without_search_path", "d1"), ("trigger_cycle", "to_b")], "findings")
    for finding in found.values():
        round_trip(db, finding)
    definer = found["security_definer_without_search_path", "d1"]
    contains(definer["sql"], "ALTER FUNCTION app.definer() SET search_path = pg_catalog, \"app\", pg_temp", "SQL")
    db.sql(definer["sql"] + found["recursion", "again"]["sql"] + found["trigger_cycle", "to_b"]["sql"]
           + found["duplicate_trigger", "d1"]["sql"] + found["duplicate_trigger", "d5"]["sql"])
    equal(ids(db), [], "findings after the SQL was run")
    db.sql("insert into solo values (1, 1); update solo set n = 2; insert into app.a values (1, 1); update app.a set n = 2")


def behaviour(db, table, statements, tables):
    """What tables hold after some statements on an empty one; errors are part of it."""
    held = []
    for statement in statements:
        try:
            db.sql(statement)
            held.append([db.rows(f"select * from {one} order by 1, 2") for one in tables])
        except harness.SqlError as error:
            held.append(str(error).split("\n")[0].split("ERROR:")[1])
    db.sql(f"truncate {table}, {', '.join(tables)}")
    return held


def kept(db, finding, table, statements, tables, prepare=""):
    """The SQL keeps what statements do, and so does its undo, which brings the catalogs back."""
    catalogs = db.rows(CATALOGS)
    runs = []
    for sql in ("", finding["sql"], finding["undo"]):
        db.sql(sql)
        db.sql(prepare)
        runs.append(behaviour(db, table, statements, tables))
    equal(runs[1], runs[0], f"behaviour with {finding['sql']}")
    equal(runs[2], runs[0], f"behaviour after {finding['undo']}")
    equal(db.rows(CATALOGS), catalogs, "catalogs")
    return runs[0]


@test("counters: added to once a statement, with the same sums, conditions and rights; the undo brings the rows back")
def _(db):
    db.sql("""create schema "My app"; create table calls(id int primary key, k int, a numeric, b int);
        create table sums(key int primary key, n numeric); create table "My app"."Counts"("K" int primary key, "N" int, primary_ int)""")
    db.sql("""create table totals(k int primary key, n bigint)""")
    function(db, "adds", "begin UPDATE sums SET n = n + NEW.a * (2 - new.b) -- yes\n where key = NEW.k; return new; end;")
    function(db, '"My app"."Take away"', """begin update "My app"."Counts" set "N" = "Counts"."N" - 1 where "K" = old.k; return null; end""",
             " security definer cost 7 set search_path = 'My app', public, pg_temp")
    function(db, "upserts", """begin insert into totals (k, n) values (new.k, new.b) on conflict (k) do update
        set n = totals.n + excluded.n; return null; end""")
    function(db, "upserts_too", """begin insert into totals (k, n) values (new.k, 1) on conflict (k) do update
        set n = totals.n + 1; return null; end""")
    function(db, "does_more", "begin update sums set n = n + 1 where key = new.k; perform 1; return null; end")
    function(db, "another_amount", """begin insert into totals (k, n) values (new.k, 5) on conflict (k) do update
        set n = totals.n + 1; return null; end""")
    for name, rest in (("adds", "insert on calls for each row when (new.b is distinct from 3)"),
                       ('"My app"."Take away"', "delete on calls for each row"), ("upserts", "insert on calls for each row"),
                       ("upserts_too", "insert on calls for each row"), ("does_more", "insert on calls for each row"),
                       ("another_amount", "insert on calls for each row")):
        db.sql(f"create trigger {name.split('.')[-1]} after {rest} execute function {name}()")
    db.sql("""create trigger updates after insert or update on calls for each row execute function upserts_too();
        create trigger early before insert on calls for each row execute function adds();
        comment on trigger adds on calls is 'it''s mine'; grant insert on calls to public""")
    db.sql("""do $$ begin for i in 1..1050 loop insert into calls values (i, 1, 1, 1); commit; end loop; end $$; delete from calls""")
    settle(db)
    found = {one["trigger"]: one for one in advise(db)["findings"] if one["id"] == "counter_updated_per_row"}
    equal(sorted(name for name in found if found[name]["sql"]), ["Take away", "adds", "upserts", "upserts_too"], "with SQL")
    for name, why in (("does_more", "does more"), ("another_amount", "another form"), ("updates", "UPDATE"), ("early", "before the row")):
        contains(found[name]["no_sql"], why, f"why there is none for {name}")
    contains(found["Take away"]["sql"], "SECURITY DEFINER COST 7", "what the function keeps")
    db.sql("drop trigger early on calls; drop trigger updates on calls; drop trigger does_more on calls; drop trigger another_amount on calls; "
           "truncate calls, sums, totals")
    statements = ["insert into calls values (1, 1, 10, 1)", "insert into calls select n, n % 4, n, n % 5 from generate_series(2, 90) n",
                  "insert into calls values (100, 9, 1, 1), (101, 9, null, 1)", "insert into calls values (102, 2, null, 1), (103, 3, 7, 3)",
                  "insert into calls values (1, 5, 5, 5)", "delete from calls where id < 50", "delete from calls where false",
                  "insert into calls select n + 1000, n, 1, 1 from generate_series(1, 5) n on conflict do nothing"]
    prepare = 'insert into sums select n, 0 from generate_series(0, 9) n; insert into "My app"."Counts" select n, 100 from generate_series(0, 5) n'
    for name in ("adds", "Take away", "upserts", "upserts_too"):
        held = kept(db, found[name], "calls", statements, ["sums", "totals", '"My app"."Counts"'], prepare)
        contains(held[4], "duplicate key", "errors are compared as well")
    db.sql(found["Take away"]["sql"] + prepare + ";do $$ begin create role counting; exception when duplicate_object then null; end $$;"
           "insert into calls values (7, 1, 1, 1); grant select, delete on calls to counting; set role counting; delete from calls")
    equal(db.value('select "N" from "My app"."Counts" where "K" = 1'), "99", "with the rights of the function's owner")


@test("a block that catches unique_violation becomes ON CONFLICT, others are told why not")
def _(db):
    db.sql("create table calls(id int primary key, n int); create table seen(n int unique, at int check (at < 90)); create table log(id int)")
    function(db, "notes", """declare x int := 1; begin
        begin insert into seen (n, at) values (new.n, (new.id + x)); exception when unique_violation then null; end; -- done
        insert into log values (new.id); return null; end""", " security definer set search_path = public, pg_temp")
    function(db, "others", "begin begin insert into seen values (new.n, 1); exception when others then null; end; return null; end")
    function(db, "more", """begin begin insert into seen select new.n, 1; insert into log values (1);
        exception when unique_violation then null; end; return null; end""")
    function(db, "declares", """begin declare y int := 1; begin insert into seen values (new.n, y);
        exception when unique_violation then null; end; return null; end""")
    for name in ("notes", "others", "more", "declares"):
        db.sql(f"create trigger {name} after insert on calls for each row execute function {name}()")
    db.sql("do $$ begin for i in 1..10050 loop insert into calls values (-i, 1); commit; end loop; end $$; truncate calls, seen, log")
    settle(db)
    found = {one["trigger"]: one for one in advise(db)["findings"] if one["id"] == "exception_block_in_hot_trigger"}
    equal(sorted(name for name in found if found[name]["sql"]), ["notes"], "with SQL")
    for name in ("others", "more", "declares"):
        contains(found[name]["no_sql"], "only a block of one INSERT", "why not")
        db.sql(f"drop trigger {name} on calls")
    held = kept(db, found["notes"], "calls", ["insert into calls values (1, 1), (2, 1), (3, null), (4, null)",
                "insert into calls select n, n % 7 from generate_series(10, 40) n", "insert into calls values (95, 95)",
                "insert into calls values (41, 95)"], ["seen", "log"])
    contains(held[2], "check constraint", "what is not caught still fails")
    db.sql(found["notes"]["sql"] + "insert into calls values (1, 1)")
    before = db.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    db.sql("insert into calls select n, 1 from generate_series(2, 50) n")
    used = int(db.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")) - int(before)
    check(used < 10, f"{used} transaction ids for one statement")
    equal(db.value("select count(*) from log"), "50", "rows behind the block")


@test("the SQL of the others keeps what statements do, too: conditions, NOTIFY, rights, duplicates, recursion")
def _(db):
    db.sql("""create table calls(id int primary key, n int, at int); create table log(id int, n int);
        create table tree(id int primary key, parent int, depth int); create table bulk_log(id int, n int)""")
    function(db, "logs", "begin if new.n is distinct from old.n then insert into log values (new.id, new.n); end if; return null; end")
    function(db, "logs_all", """begin if tg_op = 'INSERT' then insert into bulk_log values (new.id, new.n);
        elsif new.n <> old.n then insert into bulk_log values (new.id, -new.n); end if; return null; end""")
    function(db, "tells", "begin perform pg_notify('calls', new.id::text); return null; end")
    function(db, "rights", "begin insert into log values (new.id, 0) ; return null; end", " security definer")
    function(db, "caps", "begin new.at := least(new.n, 50); return new; end")
    function(db, "deepens", "begin update tree set depth = new.depth + 1 where parent = new.id; return null; end")
    db.sql("""create trigger logs after update on calls for each row execute function logs();
        create trigger logs_all after insert or update on calls for each row execute function logs_all();
        create trigger tells after insert on calls for each row execute function tells();
        create trigger rights after insert on tree for each row execute function rights();
        create trigger caps before insert on calls for each row execute function caps();
        create trigger caps_too before insert or update on calls for each row execute function caps();
        create trigger deepens after update on tree for each row execute function deepens()""")
    load(db, "calls")
    db.sql("update calls set n = n; update calls set n = n")
    settle(db)
    found = findings(db)
    db.sql("truncate calls, log, bulk_log")
    calls = ["insert into calls values (1, 5), (2, 70)", "insert into calls select n, n from generate_series(10, 60) n",
             "update calls set n = 7 where id < 20", "update calls set n = n", "update calls set at = null where id = 2",
             "insert into calls values (1, 1)", "delete from calls where id > 30"]
    tree = ["insert into tree values (1, null, 0), (2, 1, 0), (3, 2, 0)", "update tree set depth = 5 where id = 2"]
    for key, statements, tables in ((("row_trigger_on_bulk_table", "logs"), calls, ["calls", "log"]),
                                    (("row_trigger_on_bulk_table", "logs_all"), calls, ["calls", "bulk_log"]),
                                    (("notify_on_write_path", "tells"), calls, ["calls", "log"]),
                                    (("security_definer_without_search_path", "rights"), tree, ["tree", "log"]),
                                    (("duplicate_trigger", "caps"), calls, ["calls", "log"])):
        kept(db, found[key], "calls, tree, log, bulk_log", statements, tables)
    round_trip(db, found["recursion", "deepens"])      # what it is for: one level, not all of them
    db.sql(found["recursion", "deepens"]["sql"] + "; ".join(tree))
    equal(db.rows("select id, depth from tree order by 1"), [["1", "0"], ["2", "5"], ["3", "6"]], "one level")
    with db.session() as listener:
        listener.run("listen calls")
        db.sql(found["notify_on_write_path", "tells"]["sql"] + "insert into calls values (1000, 1)")
        equal(listener.run("select 1").count("Asynchronous"), 0, "notifications once it is off")


@test("every circle is found, from whichever table one asks, and its SQL breaks it")
def _(db):
    db.sql("create role bystander" if db.value("select count(*) from pg_roles where rolname = 'bystander'") == "0" else "select 1")
    for name in "abcdefgh":
        db.sql(f"create table {name}(id int primary key, n int, m int); insert into {name} values (1, 0, 0)")
    edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "e"), ("e", "c"), ("f", "g")]
    for source, target in edges:
        function(db, f"{source}_{target}", f"begin update {target} set n = n + 1 where id = new.id; return null; end")
        db.sql(f"create trigger {source}_{target} after update on {source} for each row execute function {source}_{target}()")
    function(db, "to_m", "begin update h set m = n where id = new.id; return null; end")
    function(db, "to_n", "begin update h set n = m where id = new.id; return null; end")
    db.sql("""create trigger n_to_m after update of n on h for each row execute function to_m();
        create trigger m_to_n after update of m on h for each row execute function to_n()""")
    settle(db)

    def circles(*args):
        return sorted(tuple(one["evidence"]["path"]) for one in advise(db, *args)["findings"] if one["id"] == "trigger_cycle")

    equal(circles(), [("b_c", "c_b"), ("c_d", "d_e", "e_c"), ("m_to_n", "n_to_m")], "circles")
    equal(circles("a"), [], "of a table that only leads there")
    equal(circles("b"), [("b_c", "c_b")], "of one that is on it")
    equal(circles("c"), [("c_b", "b_c"), ("c_d", "d_e", "e_c")], "of one on two")
    equal(circles("d"), [("d_e", "e_c", "c_d")], "of one that another is told of otherwise")
    equal(circles("e"), [("e_c", "c_d", "d_e")], "likewise")
    equal(circles("f"), [], "of none")
    contains(db.fails("update h set n = 2"), "stack depth", "what a circle does")
    for finding in [one for one in advise(db)["findings"] if one["id"] == "trigger_cycle"]:
        round_trip(db, finding)
        db.sql(finding["sql"])
    equal(circles(), [], "circles after the SQL was run")
    db.sql("update h set n = 3; update a set n = 5; update d set n = 1")
    equal(db.rows("select n, m from h"), [["3", "3"]], "what the first still does")
    check(int(db.value("select n from b")) > 0, "what leads there still does")


@test("full recomputes, and a suppressing trigger that never acts")
def _(db):
    db.sql("create table calls(id int, n int, updated_at timestamptz); create table sums(n bigint); create materialized view m as select count(*) from calls")
    function(db, "redo", "begin delete from sums; insert into sums select count(*) from calls; return null; end")
    function(db, "refresh", "begin refresh materialized view m; return null; end")
    function(db, "touch", "begin new.updated_at = now(); return new; end")
    db.sql("""create trigger redo after insert or update on calls execute function redo();
        create trigger refresh after insert on calls execute function refresh();
        create trigger a_touch before update on calls for each row execute function touch();
        create trigger suppress before update on calls for each row execute function suppress_redundant_updates_trigger()""")
    settle(db)
    found = findings(db)
    equal(sorted(found), [("full_recompute", "redo"), ("full_recompute", "refresh"), ("suppress_never_acts", "suppress")],
          "findings")
    round_trip(db, found["suppress_never_acts", "suppress"])
    db.sql("insert into calls values (1, 1); " + found["suppress_never_acts", "suppress"]["sql"])
    contains(db.sql("update calls set n = 1 returning id; select updated_at is null from calls"), "t", "suppressed")
    load(db, "calls", values="i + 1, 1")
    db.sql("update calls set n = n + 1; update calls set n = n + 1")
    settle(db)
    equal([key for key in findings(db) if key[1] != "redo" and key[0] != "full_recompute" and "a_touch" not in key], [],
          "rows that an UPDATE left as they were must come to the trigger that suppresses them")


def checked(db, name, number=12, column="n"):
    db.sql(f"create table {name}(id int primary key, {column} int, \"Odd n\" numeric, note text, born date, " +
           ", ".join(f"constraint c{i} check ({column} > {-i} or note::text ~ '^n{i}')" for i in range(number - 2)) +
           ", constraint \"it's odd\" check (\"Odd n\" >= 0 and length(note) < 100), " +
           "constraint days check (extract(year from born) > 1900))")
    db.sql(f"comment on constraint c1 on {name} is 'one'")


@test("tables with many CHECK constraints")
def _(db):
    checked(db, "bulk")
    checked(db, "single")
    checked(db, "small")
    checked(db, "unclear", column="year")
    db.sql("insert into bulk(id, n) select i, 1 from generate_series(1, 200000) i")
    for table in ("single", "unclear"):
        db.sql(f"insert into {table}(id) values (1)")
        db.sql(f"do $$ begin for i in 1..1500 loop update {table} set note = i where id = 1; commit; end loop; end $$")
    settle(db)
    found = {one["table"]: one for one in advise(db)["findings"]}
    equal(sorted(found), ["public.bulk", "public.single", "public.unclear"], "tables")
    equal({one["id"] for one in found.values()}, {"many_checks"}, "ids")
    contains(found["public.bulk"]["sql"], "AND (", "one CHECK")
    contains(found["public.single"]["sql"], "CREATE TRIGGER", "a trigger")
    equal(found["public.unclear"]["sql"], None, "a column named year is not told from EXTRACT's word")
    for table in ("bulk", "single"):
        round_trip(db, found[f"public.{table}"])
    wrong = ["(2, -50, 1, 'x', null)", "(2, 1, -1, 'x', null)", "(2, 1, 1, 'x', '1850-01-01')", "(2, 1, 1, repeat('x', 200), null)"]
    right = ["(3, null, null, null, null)", "(4, 1, 0, 'n3', '2000-01-01')", "(5, -50, 0, 'n1', null)"]
    before = [[db.fails(f"insert into single values {row}").split("\n")[0] for row in wrong[:1] + wrong[1:]]]
    db.sql(found["public.single"]["sql"])
    for row in wrong:
        said = db.fails(f"insert into single values {row}")
        contains(said, "23514", "SQLSTATE")
        contains(said, "violates check constraint", "message")
    equal([db.fails(f"insert into single values {row}").split("\n")[0].split("ERROR")[1] for row in wrong],
          [line.split("ERROR")[1] for line in before[0]], "messages")
    db.sql("".join(f"insert into single values {row};" for row in right if not row.startswith("(5")))
    db.sql("truncate bulk; " + found["public.bulk"]["sql"])      # refuses the same rows, under a name of its own
    equal([db.fails(f"insert into bulk values {row}").count("23514") for row in wrong], [1] * 4, "refused by one CHECK")
    db.sql("".join(f"insert into bulk values {row};" for row in right if not row.startswith("(5")))
    db.sql(found["public.bulk"]["undo"] + found["public.single"]["undo"])
    equal([db.fails(f"insert into single values {row}").split("\n")[0] for row in wrong], before[0], "messages after the undo")
    for one in advise(db)["findings"]:
        equal(one["sql"] is None, one["no_sql"] is not None, "a reason where there is no SQL, and only there")


@test("conditions over columns that have the names of keywords")
def _(db):
    db.sql("""create table odd(id int primary key, "end" int, "case" text, "time" time, stamp timestamp, "Then" int, """ +
           ", ".join(f"constraint c{i} check (stamp > timestamp '2000-01-0{i + 1}' or \"end\" < {i})" for i in range(8)) +
           """, constraint cased check (case when "end" > 5 then "case" = 'big' when "Then" = 1 then true else "time" < '12:00'::time end),
              constraint whole check ("end" is not null and "case" <> 'end'))""")
    db.sql("insert into odd(id, \"end\", \"case\", \"time\", stamp) values (1, 3, 'c', '01:00', '2020-01-01')")
    db.sql("do $$ begin for i in 1..1500 loop update odd set \"Then\" = i where id = 1; commit; end loop; end $$")
    settle(db)
    finding = findings(db)["many_checks", None]
    round_trip(db, finding)
    rows = ["(2, 9, 'small', '01:00', '2020-01-01')", "(3, null, 'big', '01:00', '2020-01-01')", "(4, 9, 'end', '01:00', '2020-01-01')",
            "(5, 1, 'x', '13:00', '2020-01-01')", "(6, 9, 'big', '01:00', '1999-01-01')"]

    def refused(row):
        return db.fails(f"insert into odd(id, \"end\", \"case\", \"time\", stamp) values {row}").split("\n")[0].split("ERROR")[1]

    before = [refused(row) for row in rows]
    db.sql(finding["sql"] + "insert into odd values (9, 9, 'big', '13:00', '2020-01-01', 1)")
    equal([refused(row) for row in rows], before, "what is refused, and how it is said")


@test("a thousand triggers")
def _(db):
    function(db, "work", "begin perform pg_notify('a', 'b'); return new; end")
    db.sql("""do $$ begin for i in 1..250 loop execute format('create table %I(id int)', 't "' || i);
        for k in 1..4 loop execute format('create trigger %I after insert on %I for each row when (new.id = %s) execute function work()',
        'g' || k, 't "' || i, k); end loop; end loop; end $$""")
    equal(len(json.loads(db.trigperf("triggers", "--format", "json").out)["triggers"]), 1000, "triggers")
    equal(len(advise(db)["findings"]), 1000, "findings")
    equal(len(advise(db, 'public."t ""7"')["findings"]), 4, "findings of one table")


if __name__ == "__main__":
    harness.main()
