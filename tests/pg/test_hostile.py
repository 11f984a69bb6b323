#!/usr/bin/python3
# suite: versions
"""A hostile tenant: what the owner of a captured table, or whoever has a schema of its own, tries."""

import harness
from follower import READY, Follower
from harness import check, contains, equal, test

CALLS = "create table calls (id bigint primary key, user_id bigint, note text)"
PARTS = ["trigperf.outbox_0", "trigperf.outbox_1", "trigperf.outbox_2", "trigperf.outbox_3"]


def tenant_of(database, name):
    """A role with a schema and a captured table t.calls of its own."""
    role = f"{name}_{database.name}"
    database.sql(f"create role {role} login; create schema t authorization {role}")
    tenant = database.as_user(role)
    tenant.sql(CALLS.replace("calls", "t.calls", 1))
    database.attach("t.calls", "--key", "id", "--rule", "mine:{id}")
    return tenant


def looked(database):
    return database.value("select trigperf.table_check_all()")


@test("whatever runs with the rights of the schema's owner has a search_path of its own; PUBLIC has nothing")
def _(installed):
    installed.sql(CALLS)
    installed.attach("public.calls", "--key", "id", "--isolate", "full")
    tenant_of(installed, "structure")
    equal(installed.rows("""select oid::regprocedure from pg_proc where pronamespace = 'trigperf'::regnamespace
        and prosecdef and proname !~ '^capture_[0-9]+$' and proname <> 'bracket_close'
        and not coalesce(proconfig, '{}') @> array['search_path=pg_catalog, pg_temp']"""), [], "functions")
    equal(installed.rows("""select p.oid::regprocedure from pg_proc p cross join lateral
        aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where p.pronamespace = 'trigperf'::regnamespace and a.grantee = 0"""), [], "functions for PUBLIC")
    equal(installed.rows("""select c.oid::regclass from pg_class c cross join lateral aclexplode(c.relacl) a
        where c.relnamespace = 'trigperf'::regnamespace and a.grantee = 0"""), [], "relations for PUBLIC")


@test("brackets run nothing that a writer's search_path puts before what they name")
def _(installed):
    installed.sql(f"""{CALLS}; update trigperf.setting set value = '1' where name = 'sample_rate';
        create function touch() returns trigger language plpgsql as $$begin return new; end$$;
        create trigger touch before insert on calls for each row execute function touch();
        create table ran (by text); grant insert on ran to public;
        create schema trap; grant usage on schema trap to public;
        create function trap.ran() returns void language plpgsql as
            $$begin insert into public.ran values (current_user); end$$""")
    for left, right in (("text", "text"), ("timestamptz", "timestamptz"), ("int4", "int4"), ("float8", "float8")):
        installed.sql(f"""create function trap.no({left}, {right}) returns boolean language plpgsql as
                $$begin perform trap.ran(); return false; end$$;
            create function trap.nil({left}, {right}) returns {left} language plpgsql as
                $$begin perform trap.ran(); return $1; end$$""")
        for sign in ("=", "<>", "<="):
            installed.sql(f"create operator trap.{sign} (leftarg = {left}, rightarg = {right}, function = trap.no)")
        for sign in ("-", "*", "/"):
            installed.sql(f"create operator trap.{sign} (leftarg = {left}, rightarg = {right}, function = trap.nil)")
    for function in ("lower(text)", "set_config(text, text, boolean)", "current_setting(text, boolean)",
                     "format(text, text, text)", "format(text, name, name)"):
        installed.sql(f"""create function trap.{function} returns text language plpgsql as
            $$begin perform trap.ran(); return ''; end$$""")
    installed.trigperf("bracket", "calls")
    with installed.session() as session:
        session.run("set search_path = trap, pg_catalog, public")
        session.run("insert into public.calls values (1, 7); delete from public.calls")
    equal(installed.rows("select by from ran"), [], "what ran instead")
    equal(installed.value("select count(*) > 0 from trigperf.trigger_execution_log"), "t", "executions logged")


@test("the owner of a captured table reads nothing, changes no rules, runs nothing of others")
def _(installed):
    installed.sql(CALLS)
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}")
    tenant = tenant_of(installed, "curious")
    others = installed.value("select function_name from trigperf.captured_table where table_name = 'calls' "
                             "and schema_name = 'public'")
    own = installed.value("select function_name from trigperf.captured_table where schema_name = 't'")
    for attempt in ("select * from trigperf.outbox", *(f"select * from {part}" for part in PARTS),
                    "select * from trigperf.captured_table", "select * from trigperf.cascade_rule",
                    "select channel from trigperf.notifier", "select * from trigperf.trigger_error_log",
                    "select trigperf.status()", "select trigperf.resync()", "select trigperf.table_check_all()",
                    "select trigperf.registry_bump()", "select trigperf.outbox_rotate()",
                    "select last_value from trigperf.uncaptured", "select setval('trigperf.uncaptured', 1)",
                    "select trigperf.consumer_drop('web')", "truncate trigperf.outbox_0",
                    "delete from trigperf.outbox_0", "create table trigperf.mine ()",
                    f"create or replace function trigperf.{own}() returns trigger language plpgsql as "
                    "$$ begin return null; end $$",
                    f"create trigger x after insert on t.calls for each row execute function trigperf.{others}()",
                    f"alter function trigperf.{others}() cost 1", f"drop function trigperf.{others}()",
                    f"alter function trigperf.{own}() owner to {installed.user}",
                    f"alter function trigperf.{own}() rename to capture_0"):
        error = tenant.fails(attempt)
        check("42501" in error or "42P01" in error, f"{attempt}: {error}")


@test("what the owner of a captured table forges in the outbox harms no reader, and holds nobody up")
def _(installed):
    installed.sql(CALLS)
    installed.attach("public.calls", "--key", "id", "--key", "note", "--rule", "call:{id}")
    tenant = tenant_of(installed, "forger")
    number = int(installed.value("select id from trigperf.captured_table where schema_name = 'public'"))
    mine = int(installed.value("select id from trigperf.captured_table where schema_name = 't'"))
    values = [f"{table}, '{op}', {i}, {u}, {t}"
              for table in (number, mine, 0, -1, 999999)
              for op in "IUDTBEZ"
              for i, u, t in (("null", "null", "null"), ("'{}'", "null", "'{}'"), ("'{1,2,3}'", "null", "'{a,b}'"),
                              ("'{{1,2},{3,4}}'", "'{}'", "'{{a,b},{c,d}}'"), ("'{null}'", "null", "'{null}'"),
                              ("'[5:6]={1,2}'", "null", "'[0:1]={x,y}'"))]
    with Follower(installed, "web") as follower:
        follower.ready().until(lambda f: f.resyncs() and f.status()["notifier"], "leading")
        for part in PARTS:
            tenant.sql(f"insert into {part} (table_id, op, i, u, t) values " +
                       ", ".join(f"({value})" for value in values))
            for xid in ("9223372036854775807", "18446744073709551615", "3", "0",
                        "(pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 100000)"):
                tenant.sql(f"insert into {part} (xid, table_id, op) values "
                           f"({xid}::text::xid8, {number}, 'B')")
        installed.sql("insert into calls values (1, 1, 'x')")
        follower.until_keys("call:1")
        equal((follower.state(), follower.error), (READY, None), "state")
        present = int(installed.value("select (pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 17) & 3"))
        follower.until(lambda _: all(installed.value(f"select count(*) from {part}") == "0" for n, part in
                                     enumerate(PARTS) if n != present), "the partitions to be truncated")
        installed.sql("insert into calls values (2, 2, 'x')")
        follower.until_keys("call:2")
        follower.close()
    with Follower(installed, "web") as follower:
        follower.ready()
        for _ in range(5):
            follower.turn()
        equal(follower.resyncs(), [], "resyncs of the one that comes back")


@test("names made to break out: of schemas, tables, columns, triggers, and onto the terminal")
def _(installed, tmp):
    bad = "x\"; drop schema trigperf; --\n[table z]\n\x1b[31m'$capture$ \\"
    quoted = '"' + bad.replace('"', '""') + '"'
    own = ("tp_number", "tp_here", "tp_e2", "tp_old", "tp_new", "tp_row", "tp_path", "tp_op", "tp_e0", "tp_k0", "tp_count", "tp_v0",
           "tp_moved", "tg_op", "new", "old", "found")
    installed.sql(f"create schema {quoted}; create table {quoted}.{quoted} ({quoted} text primary key, n int); "
                  "create table own (id int, " + ", ".join(f'"{name}" int' for name in own) + ")")
    installed.attach(f"{quoted}.{quoted}", "--key", '"' + bad.replace('"', '""') + '"', "--rule", "a:{n}",
                     "--key", "n")
    for shape in ("statement", "row"):
        installed.attach("own", "--key", "id", "--key", "tp_path", "--key", "sum=id + tp_number + tp_v0",
                         "--rule", "own:{id}:{tp_path}:{sum}", "--granularity", shape)
        with Follower(installed) as follower:
            follower.ready().until(lambda f: f.resyncs(), "the first resync")
            installed.sql("insert into own (id, tp_path, tp_number, tp_v0) values (1, 2, 3, 4), (5, 6, 7, 8); "
                          "update own set tp_path = 9 where id = 1; update own set tp_op = 1")
            follower.until_keys("own:1:2:8", "own:5:6:20", "own:1:9:8")
            follower.close()
        equal(installed.rows("select error_message from trigperf.trigger_error_log"), [], "errors")
        installed.trigperf("detach", "own")
        installed.sql("truncate own")
    with Follower(installed) as follower:
        follower.ready().until(lambda f: f.resyncs(), "the first resync")
        installed.sql(f"insert into {quoted}.{quoted} values ('v', 5)")
        follower.until_keys("a:5")
        name = installed.value("select tgname from pg_trigger where tgname like 'trigperf%insert'")
        installed.sql(f"alter trigger {name} on {quoted}.{quoted} rename to {quoted}")
        installed.sql(f"create table {quoted}.heir () inherits ({quoted}.{quoted})")
        looked(installed)
        installed.sql(f"insert into {quoted}.heir values ('w', 6)")
        follower.until_keys("a:6")
        follower.close()
    for out in (installed.trigperf("status").out, installed.trigperf("apply", "/dev/null", "--dry-run").out):
        check("\x1b" not in out and "\n[table z]" not in out, f"on the terminal: {out!r}")
    before = installed.trigperf("apply", "/dev/null", "--prune").out
    check("\n[table z]" not in before and "\x1b" not in before, f"in the former state: {before!r}")
    path = f"{tmp}/before.ini"
    with open(path, "w", encoding="utf-8") as file:
        file.write(before)
    installed.trigperf("apply", path)
    equal(installed.rows("select table_name from trigperf.captured_table"), [[bad]], "brought back")


@test("no setting of a writer's session changes a key, or keeps a statement from succeeding")
def _(installed):
    installed.sql(CALLS)
    for number, shape in enumerate(("statement", "row")):
        installed.sql(f"create table t{number} (id bigint primary key, user_id bigint, note text)")
        installed.attach(f"t{number}", "--key", "id", "--key", "user_id", "--key",
                         r"slash=pg_catalog.regexp_replace(note, '\d', '\\', 'g') || '\'", "--granularity", shape)
    with installed.session() as session:
        for name, value in (("standard_conforming_strings", "off"), ("backslash_quote", "on"), ("array_nulls", "off"),
                            ("plpgsql.extra_errors", "'all'"), ("plpgsql.extra_warnings", "'all'"),
                            ("quote_all_identifiers", "on"), ("transform_null_equals", "on"),
                            ("default_transaction_isolation", "serializable"), ("enable_hashjoin", "off"),
                            ("enable_mergejoin", "off"), ("plan_cache_mode", "force_custom_plan"),
                            ("row_security", "off"), ("check_function_bodies", "off"),
                            ("default_toast_compression", "pglz"), ("work_mem", "'64kB'"), ("xmlbinary", "hex"),
                            ("client_min_messages", "error"), ("search_path", "''")):
            session.run(f"discard all; set {name} = {value}")
            for number in (0, 1):
                session.run(f"""insert into public.t{number} values (1, 7, 'a1'), (2, 8, 'b2');
                                update public.t{number} set user_id = 9; update public.t{number} set user_id = 5
                                where id = 1; delete from public.t{number}""")
        session.run("discard all")
    equal(installed.rows("select sqlstate, error_message from trigperf.trigger_error_log "
                         "where error_message not like '%more than one row%'"), [], "errors")
    equal(installed.value(r"""select count(*) from trigperf.outbox o where op not in ('B', 'E') and exists
        (select from unnest(t) as one where one not in ('a\\', 'b\\'))"""), "0", "keys written otherwise")


@test("who makes the schema before us gets no superuser to run its functions")
def _(db):
    role = f"squatter_{db.name}"
    db.sql(f"create role {role} login; grant create on database {db.name} to {role}; {CALLS}; "
           "create table stolen (by text); grant insert on stolen to public")
    squatter = db.as_user(role)
    squatter.trigperf("install")
    squatter.sql("""create or replace function trigperf.status() returns json language plpgsql as $$
        begin insert into public.stolen values (current_user); return '{"installed":true}'; end $$;
        create or replace function trigperf.registry_bump() returns bigint language plpgsql as $$
        begin insert into public.stolen values (current_user); return 1; end $$""")
    for args in (["status"], ["attach", "calls", "--key", "id"], ["rules", "add", "--scope", "a", "b"], ["install"],
                 ["uninstall"], ["detach", "calls"], ["rules"]):
        result = db.trigperf(*args, ok=1)
        contains(result.err, f'belongs to role "{role}"', f"{args!r}")
    equal(db.rows("select * from stolen"), [], "run under other rights")
    db.trigperf("grants", "--metrics", role, "--apply")
    squatter.trigperf("status")
    equal(db.rows("select distinct by from stolen"), [[role]], "run under its own")
    db.sql(f"drop schema trigperf cascade; create view stolen_again as select 1; "
           f"grant all on schema public to {role}")
    squatter.sql("""create schema trigperf; create function trigperf.steal() returns int language plpgsql volatile as
        $$ begin insert into public.stolen values (current_user); return 3; end $$;
        create view trigperf.migration as select trigperf.steal() as version, '' as checksum, 1 as compatible_from""")
    for args in (["status"], ["install"], ["grants", "--metrics", role, "--apply"]):
        db.trigperf(*args, ok=1)
    equal(db.rows("select distinct by from stolen"), [[role]], "run by looking at a view")


@test("what a consumer says about itself harms no other, and is forgotten")
def _(installed):
    installed.sql(f"{CALLS}; create role liar_{installed.name} login")
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}")
    liar = installed.as_user(f"liar_{installed.name}")
    installed.trigperf("grants", "--consumer", liar.user, "--apply")
    far = "'9000000000000000000:9000000000000000001:'::pg_snapshot"
    with Follower(installed, "web") as follower:
        follower.ready().until(lambda f: f.resyncs() and f.status()["notifier"], "leading")
        for n, call in enumerate((
                f"trigperf.member_seen(gen_random_uuid(), repeat('x', 100000), {far})",
                "trigperf.member_seen(gen_random_uuid(), null, '1:1:'::pg_snapshot)",
                "trigperf.member_gone(gen_random_uuid())", f"trigperf.reader_gap({far})",
                "trigperf.reader_gap('3:3:'::pg_snapshot)",
                f"trigperf.consumer_store('web', 0, {far}, true)",
                f"trigperf.consumer_store('web', 1000, {far}, true)",
                "trigperf.consumer_claim($n$'; drop schema trigperf cascade; --$n$, gen_random_uuid(), 1, "
                "gen_random_uuid(), null)", "trigperf.notifier_elect(gen_random_uuid(), 2147483647)",
                "trigperf.notifier_resign(gen_random_uuid())", "trigperf.outbox_rotate()",
                "trigperf.table_check_all()", "trigperf.incarnation_get()")):
            liar.value(f"select count(*) from (select {call}) as said")
            installed.sql(f"insert into calls values ({n}, 1)")
            follower.until_keys(f"call:{n}")
        equal((follower.resyncs(), follower.error), (["*"], None), "what the other one got")
        liar.sql("select trigperf.notifier_elect(gen_random_uuid(), -1)")
        installed.sql("insert into calls values (100, 1)")
        follower.until_keys("call:100").until(lambda f: f.status()["notifier"], "leading again")
        follower.close()
    for denied in ("select trigperf.consumer_drop('web')", "select trigperf.resync()",
                   "insert into trigperf.outbox_0 (table_id, op) values (0, 'B')",
                   "update trigperf.setting set value = '0'", "select trigperf.outbox_coarse(0, 'B')",
                   "select trigperf.uncaptured_check()", "select nextval('trigperf.uncaptured')"):
        contains(liar.fails(denied), "42501", denied)


@test("a status with rights that are missing says which to grant")
def _(installed):
    tenant = tenant_of(installed, "stripped")
    for taken in ("usage on schema trigperf", "insert on trigperf.outbox_2",
                  "execute on function trigperf.outbox_coarse"):
        installed.sql(f"revoke {taken} from {tenant.user}")
        state, fix = installed.rows("select state, fix from trigperf.status_tables()")[0]
        equal(state, "rights", f"state without {taken}")
        installed.sql(fix)
        equal(installed.value("select state from trigperf.status_tables()"), "ok", "state afterwards")


if __name__ == "__main__":
    harness.main()
