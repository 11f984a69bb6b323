#!/usr/bin/python3
# suite: versions
# suite: sanitize
"""The command: every form, every mistake, and nothing half done after a mistake."""

import json
import os
import pty
import re
import socket
import subprocess
import threading
import time

import harness
from harness import check, contains, equal, test

CALLS = """create table calls(id bigint primary key, user_id bigint, agent_id bigint, status text,
                              amount numeric, "odd,name" text, "Mixed" text)"""
FORM = ["attach", "public.calls", "--key", "user_id", "--key", "id", "--key", "agent_id",
        "--watch", "status,amount", "--rule", "dashboard:{user_id}", "--rule", "call:{id}"]

# Everything that the command may leave in a database.
FINGERPRINT = """
select 'namespace', concat_ws(' ', nspname, nspacl) from pg_namespace
 where nspname !~ '^pg_(toast_)?temp_'
union all select 'class', concat_ws(' ', oid::regclass, relkind, relacl) from pg_class
 where oid >= 16384 and relpersistence <> 't'
union all select 'proc', concat_ws(' ', oid::regprocedure, proacl, md5(prosrc)) from pg_proc
 where oid >= 16384
union all select 'trigger', concat_ws(' ', tgrelid::regclass, tgname, tgenabled) from pg_trigger
 where not tgisinternal
union all select 'type', oid::regtype::text from pg_type where oid >= 16384 and typtype <> 'b'
union all select 'default', concat_ws(' ', defaclrole, defaclacl) from pg_default_acl
order by 1, 2"""
REGISTRY = """select 'table', t::text from trigperf.captured_table t
union all select 'rule', r::text from trigperf.cascade_rule r
union all select 'setting', s::text from trigperf.setting s order by 1, 2"""


def fingerprint(db):
    rows = db.rows(FINGERPRINT)
    if db.value("select to_regclass('trigperf.captured_table')") is not None:
        rows += db.rows(REGISTRY)
    return rows


def same(before, after):
    lost = [row for row in before if row not in after]
    new = [row for row in after if row not in before]
    check(not lost and not new, f"the database is not as before: gone {lost!r}, new {new!r}")


def refused(db, *args, code=1, says=(), hint=True, env=None):
    """The command refuses with a sentence, prints no data and changes nothing."""
    before = fingerprint(db)
    result = db.trigperf(*args, ok=code, env=env)
    equal(result.out, "", "standard output of a refused command")
    check(result.err.startswith("trigperf: "), f"standard error begins otherwise: {result!r}")
    if hint:
        contains(result.err, "hint: ", f"standard error of {args!r}")
    for part in says:
        contains(result.err.lower(), part.lower(), f"standard error of {args!r}")
    same(before, fingerprint(db))
    return result


# --- help and usage ----------------------------------------------------------------------------

COMMANDS = ["install", "uninstall", "attach", "apply", "detach", "status", "rules", "grants", "collect", "bracket", "tail", "triggers", "alerts", "report", "check", "monitor",
            "config"]


@test("every command has help, and help lists every command")
def _(db):
    overview = db.trigperf("--help").out
    equal(db.trigperf("help").out, overview, "help")
    for name in COMMANDS:
        contains(overview, f"\n  {name} ", "overview")
        text = db.trigperf(name, "--help").out
        contains(text, f"usage: trigperf {name}", "help")
        equal(db.trigperf("help", name).out, text, f"help {name}")
        equal(db.trigperf(name, "-h").err, "", "standard error of help")


@test("the version is told")
def _(db):
    check(re.fullmatch(r"trigperf \d+\.\d+\.\d+, schema \d+\n", db.trigperf("--version").out),
          "version line")
    equal(db.trigperf("-V").out, db.trigperf("--version").out, "-V")


@test("what is mistyped is answered with the nearest name")
def _(db):
    refused(db, "instal", code=2, says=["instal", "'install'"])
    refused(db, "stauts", code=2, says=["'status'"])
    refused(db, "tail", "--consumr", "x", code=2, says=["--consumr", "--consumer"])
    refused(db, "attach", "t", "--wacth=a", code=2, says=["--watch"])
    refused(db, "tail", "--zzzzzzzzz", code=2, says=["--zzzzzzzzz"])
    refused(db, "tail", "-z", code=2, says=["-z"])
    refused(db, "rules", "ad", "t", "x", code=2, says=["'add'"])
    refused(db, "-o", "batch.windw_ms=3", "status", code=2, says=["batch.window_ms"], hint=False)
    refused(db, "help", "confg", code=2, says=["'config'"])


@test("usage errors exit with 2")
def _(db):
    refused(db, code=2, says=["command"])
    refused(db, "attach", code=2, says=["missing", "attach TABLE"])
    refused(db, "detach", code=2, says=["missing"])
    refused(db, "detach", "a", "b", code=2, says=["'b'"])
    refused(db, "install", "now", code=2, says=["'now'"])
    refused(db, "tail", "--consumer", code=2, says=["expects a value"], hint=False)
    refused(db, "tail", "--consumer", "", code=2, says=["expects a name"], hint=False)
    refused(db, "install", "--dry-run=yes", code=2, says=["takes no value"], hint=False)
    refused(db, "status", "--format", "xml", code=2, says=["text or json", "xml"], hint=False)
    refused(db, "tail", "--until-idle", "soon", code=2, says=["whole number", "soon"], hint=False)
    refused(db, "tail", "--until-idle", "-5", code=2, says=["-5"], hint=False)
    refused(db, "tail", "--follow", "--until-idle", "5", code=2, says=["--follow"], hint=False)
    refused(db, "tail", "--window-ms", "x", code=2, says=["batch.window_ms"], hint=False)
    refused(db, "tail", "--max-keys", "-1", code=2, says=["batch.max_keys"], hint=False)
    refused(db, "attach", "t", "--granularity", "coarse", code=2, says=["coarse"], hint=False)
    refused(db, "attach", "t", "--key", "", code=2, says=["name"], hint=False)
    refused(db, "attach", "t", "--key", '"a', code=2, says=["no end"])
    refused(db, "attach", "t", "--key", "a", "--key", "a", code=2, says=["a"], hint=False)
    refused(db, "attach", "t", "--watch", "a,,b", code=2, says=["expected a name"], hint=False)
    refused(db, "attach", "t", "--watch", "a,", code=2, says=["expected a name"], hint=False)
    refused(db, "attach", "t", "--on", "insert", code=2, says=["--rule before it"])
    refused(db, "attach", "t", "--rule", "a", "--interval", "5", code=2, says=["500ms"], hint=False)
    refused(db, "rules", "add", "t", code=2, says=["TABLE TEMPLATE"])
    refused(db, "rules", "add", "--scope", "s", "t", "x", code=2, says=["--scope NAME TEMPLATE"])
    refused(db, "rules", "remove", "t", "x", "--on", "insert", code=2, says=["rules add"], hint=False)
    refused(db, "config", "set", "x", code=2, says=["get NAME"], hint=False)
    refused(db, "-o", "batch.window_ms", "status", code=2, says=["NAME=VALUE"], hint=False)
    refused(db, "-o", "batch.window_ms=-3", "status", code=2, says=["batch.window_ms", "-3"],
            hint=False)


# --- connections -------------------------------------------------------------------------------

@test("a server that cannot be reached is named, with exit code 1")
def _(db, tmp):
    nowhere = f"host={tmp} port=5999"
    for command in ("install", "uninstall", "status", "rules", "tail"):
        refused(db, "-d", nowhere, command, says=["5999", "directory; Is the server running"],
                hint=False)
        refused(db, command, says=["5999"], hint=False, env={"PGHOST": tmp, "PGPORT": "5999"})
    refused(db, *FORM, "-d", nowhere, says=["5999"], hint=False)
    refused(db, "detach", "calls", "-d", nowhere, says=["5999"], hint=False)


@test("a tail that is given a closed port says so and ends")
def _(db):
    where = "host=127.0.0.1 port=1 connect_timeout=5"
    refused(db, "tail", "-d", where, says=["connect"], hint=False)
    refused(db, "tail", "--until-idle", "10", "-d", where, says=["connect"], hint=False)


@test("a server that accepts and never answers is given up in time, and does not hold signals up")
def _(db):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"host=127.0.0.1 port={silent.getsockname()[1]}"
        for command in ("status", "tail"):
            refused(db, command, "-d", where, "-o", "connect.timeout_ms=1000", says=["trigperf"],
                    hint=False)
        with db.tail_start("--follow", "-d", where) as tail:
            tail.started()
            time.sleep(0.5)
            equal(tail.stop(), 0, "exit code")


@test("an unknown database, role or connection keyword is named")
def _(db):
    refused(db, "status", env={"PGDATABASE": "no_such_db"}, says=["no_such_db"], hint=False)
    refused(db, "tail", env={"PGDATABASE": "no_such_db"}, says=["no_such_db"], hint=False)
    refused(db, "status", env={"PGUSER": "no_such_role"}, says=["no_such_role"], hint=False)
    result = db.trigperf("status", "-d", "hots=x", ok=False)
    contains(result.err, "hots", "standard error")


@test("the connection comes from a string, a URI, a name or libpq's variables")
def _(installed):
    env = installed.env()
    only = {"PGHOST": "/nonexistent", "PGPORT": "1", "PGDATABASE": "nothing"}
    for text in (installed.conninfo(),
                 f"postgresql:///{env['PGDATABASE']}?host={env['PGHOST']}&port={env['PGPORT']}"):
        status = installed.trigperf("status", "--format", "json", "-d", text, env=only)
        equal(json.loads(status.out)["installed"], True, "installed")
    status = installed.trigperf("-d", env["PGDATABASE"], "status", "--format=json",
                                env={"PGDATABASE": "nothing"})
    equal(json.loads(status.out)["database"], env["PGDATABASE"], "database")


# --- install and uninstall ---------------------------------------------------------------------

def schema_dump(db):
    text = harness.pg_dump(db, "--schema=trigperf", "--no-comments")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+\d\d", "TIME", text)
    text = re.sub(r"trigperf_[0-9a-f]{32}", "CHANNEL", text)
    return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.M)


@test("install may be repeated; uninstall leaves nothing behind")
def _(db):
    before = fingerprint(db)
    contains(db.trigperf("install").out, "installed", "first install")
    first = fingerprint(db)
    contains(db.trigperf("install").out, "already", "second install")
    same(first, fingerprint(db))
    db.sql(CALLS)
    db.trigperf(*FORM)
    db.sql("insert into calls values (1, 7, null, 'new', 1)")
    db.trigperf("uninstall")
    db.sql("insert into calls values (2, 7, null, 'new', 1); drop table calls")
    same(before, fingerprint(db))


@test("limits that a role has for its own work end no command")
def _(db):
    role = f"hurried_{db.name}"
    db.sql(f"create role {role} login superuser")
    for setting in ("default_transaction_read_only = on", "statement_timeout = '30ms'"):
        db.sql(f"alter role {role} set {setting}")
    hurried = db.as_user(role)
    hurried.trigperf("install")
    db.sql(CALLS)
    hurried.trigperf(*FORM)
    for command in (["status"], ["consumers"], ["collect"], ["report"], ["uninstall"]):
        hurried.trigperf(*command)
    equal(db.value("select count(*) from pg_namespace where nspname = 'trigperf'"), "0", "schemas left")
    db.sql(f"drop table calls; drop role {role}")


@test("uninstall of what is not installed is refused")
def _(db):
    refused(db, "uninstall", says=["trigperf"])
    refused(db, "uninstall", "--dry-run", says=["trigperf"])


@test("the dry run of install is SQL that does the same")
def _(db, cluster):
    before = fingerprint(db)
    sql = db.trigperf("install", "--dry-run").out
    same(before, fingerprint(db))
    check("\\" not in re.sub(r"'[^']*'", "", sql.split("\n\n")[0]), "meta commands in the dry run")
    other = cluster.database()
    other.trigperf("install")
    db.sql("begin;\n" + sql + "\ncommit;")
    equal(schema_dump(db), schema_dump(other), "dump of the schema")
    equal(db.trigperf("install", "--dry-run").out, "", "dry run when nothing is missing")
    contains(db.trigperf("install").out, "already", "install after the paste")
    db.sql(CALLS)
    db.trigperf(*FORM)


@test("the dry run of uninstall removes nothing, and its SQL removes all")
def _(db):
    before = fingerprint(db)
    db.trigperf("install")
    db.sql(CALLS)
    db.trigperf(*FORM)
    full = fingerprint(db)
    sql = db.trigperf("uninstall", "--dry-run").out
    same(full, fingerprint(db))
    db.sql("begin;\n" + sql + "\ncommit;")
    db.sql("drop table calls")
    same(before, fingerprint(db))


@test("several machines install at once")
def _(db):
    results = []
    threads = [threading.Thread(target=lambda: results.append(db.trigperf("install", ok=None)))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal([result.code for result in results], [0] * 6, f"exit codes of {results!r}")
    equal(sum("installed" in result.out for result in results), 1, "who installed")


@test("uninstall refuses while the schema holds objects of others")
def _(installed):
    installed.sql("create table trigperf.mine(a int)")
    refused(installed, "uninstall", says=["mine"])
    installed.sql("drop table trigperf.mine")
    installed.trigperf("uninstall")


@test("a schema of the same name that is not ours is left alone")
def _(db):
    db.sql("create schema trigperf; create table trigperf.precious(a int)")
    refused(db, "install", says=["trigperf"])
    refused(db, "uninstall", says=["trigperf"])


@test("a schema newer than this version is refused by everything, without damage")
def _(installed):
    installed.sql(CALLS)
    installed.sql("""insert into trigperf.migration(version, name, checksum, compatible_from, library)
                     values (9999, 'future', 'x', 9999, '99.0.0')""")
    refused(installed, "install", says=["9999"])
    refused(installed, *FORM, says=["9999"])
    refused(installed, "tail", says=["9999"])
    refused(installed, "tail", "--consumer", "x", says=["9999"])
    equal(installed.value("select count(*) from trigperf.consumer"), "0", "consumers")


@test("a newer schema that says it still fits is worked with")
def _(installed):
    installed.sql(CALLS)
    installed.sql("""insert into trigperf.migration(version, name, checksum, compatible_from, library)
                     select 9999, 'future', 'x', max(version), '99.0.0' from trigperf.migration""")
    installed.trigperf(*FORM)
    equal(len(installed.tail()), 1, "lines of tail")


@test("a changed migration is noticed")
def _(installed):
    installed.sql("update trigperf.migration set checksum = 'tampered'")
    refused(installed, "install", says=["checksum"])


@test("without the schema everything says to install it")
def _(db):
    db.sql(CALLS)
    refused(db, *FORM, says=["install"])
    refused(db, "detach", "calls", says=["install"])
    refused(db, "rules", says=["install"])
    refused(db, "tail", says=["install"])
    refused(db, "tail", "--consumer", "x", "--until-idle", "10", says=["install"])
    equal(json.loads(db.trigperf("status", "--format", "json").out)["installed"], False, "installed")
    contains(db.trigperf("status").out, "installed", "status as text")


# --- attach and detach -------------------------------------------------------------------------

def attached(db):
    return db.rows("select schema_name, table_name from trigperf.captured_table order by 1, 2")


def triggers(db, table):
    return [row[0] for row in db.rows(f"""select tgname from pg_trigger
        where tgrelid = '{table}'::regclass and not tgisinternal order by 1""")]


@test("attach in the form that others rely on")
def _(installed):
    installed.sql(CALLS)
    result = installed.trigperf(*FORM)
    equal(result.err, "", "standard error")
    equal(attached(installed), [["public", "calls"]], "attached tables")
    check(triggers(installed, "calls"), "triggers")
    rules = json.loads(installed.trigperf("rules", "--format", "json").out)
    equal(sorted((rule["table"], rule["template"]) for rule in rules),
          [("public.calls", "call:{id}"), ("public.calls", "dashboard:{user_id}")], "rules")
    contains(installed.trigperf("status").out, "public.calls", "status as text")
    contains(installed.trigperf("status", "--format", "json").out, "public.calls", "status as JSON")


@test("detach takes everything of the table away")
def _(installed):
    installed.sql(CALLS)
    before = [row for row in fingerprint(installed) if row[0] != "setting"]
    installed.trigperf(*FORM)
    installed.trigperf("detach", "public.calls")
    same(before, [row for row in fingerprint(installed) if row[0] != "setting"])
    refused(installed, "detach", "public.calls", says=["public.calls", "not attached"])
    refused(installed, "detach", "no_such", says=["no_such"])
    installed.trigperf(*FORM)


@test("dry runs of attach and detach are SQL that does the same")
def _(installed):
    installed.sql(CALLS)
    before = fingerprint(installed)
    sql = installed.trigperf(*FORM, "--dry-run").out
    same(before, fingerprint(installed))
    installed.sql("begin;\n" + sql + "\ncommit;")
    equal(attached(installed), [["public", "calls"]], "attached tables")
    tail = installed.tail_start("--follow")
    with tail:
        tail.next()
        installed.sql("insert into calls values (9, 7)")
        tail.until_keys(["call:9", "dashboard:7"])
        equal(tail.stop(), 0, "exit code")
    full = fingerprint(installed)
    sql = installed.trigperf("detach", "calls", "--dry-run").out
    same(full, fingerprint(installed))
    installed.sql("begin;\n" + sql + "\ncommit;")
    equal(attached(installed), [], "attached tables")
    equal(triggers(installed, "calls"), [], "triggers")


@test("granularity can be chosen, and auto says why")
def _(installed):
    for shape in ("statement", "row"):
        installed.sql(f"create table t_{shape}(id int primary key)")
        installed.attach(f"t_{shape}", "--key", "id", "--granularity", shape)
    installed.sql("create table t_auto(id int primary key)")
    said = installed.attach("t_auto", "--key", "id", "--granularity", "auto").out
    check(re.match(r"attached public\.t_auto with (row|statement) triggers \(auto: .+\)\n$", said), said)
    rows = installed.rows("""select table_name, granularity, granularity_reason
                             from trigperf.captured_table order by 1""")
    equal([row[:2] for row in rows[1:]], [["t_row", "row"], ["t_statement", "statement"]], "shapes")
    check(rows[0][1] in ("row", "statement") and rows[0][2], f"auto: {rows[0]!r}")


@test("names with commas, quotes and capitals")
def _(installed):
    installed.sql(CALLS)
    installed.sql('create schema "My Schema"; create table "My Schema"."a.b"(id int, "x=y" int)')
    installed.attach("calls", "--key", '"odd,name"', "--key", "Mixed", "--key", '"low"=lower(status)',
                     "--watch", 'status,"odd,name"', "--watch", "Mixed", "--watch", ' amount ',
                     "--rule", "odd:{odd,name}")
    equal(installed.value("select key_names from trigperf.captured_table"),
          '{"odd,name",Mixed,low}', "key names")
    equal(installed.value("select watch from trigperf.captured_table"),
          '{status,"odd,name",Mixed,amount}', "watched columns")
    installed.attach('"My Schema"."a.b"', "--key", '"x=y"', "--rule", "x:{x=y}")
    contains(installed.trigperf("rules", "--format", "json").out, r'\"My Schema\".\"a.b\"', "rules")
    installed.trigperf("detach", '"My Schema"."a.b"')
    installed.trigperf("detach", "CALLS")
    equal(attached(installed), [], "attached tables")


@test("rules of attach with operations and interval")
def _(installed):
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id", "--rule", "a:{id}", "--on", "insert,delete",
                     "--interval", "60s", "--rule", "b:{id}", "--interval", "500ms", "--rule", "c")
    equal(installed.rows("""select template, ops, min_interval_ms from trigperf.cascade_rule
                            order by template"""),
          [["a:{id}", "{delete,insert}", "60000"], ["b:{id}", "{}", "500"], ["c", "{}", None]],
          "rules")


@test("unknown tables, columns and keys are refused")
def _(installed):
    installed.sql(CALLS)
    refused(installed, "attach", "no_such", "--key", "id", says=["no_such"])
    refused(installed, "attach", "nowhere.calls", "--key", "id", says=["nowhere"])
    refused(installed, "attach", "calls", "--key", "user", says=["user", "calls"])
    refused(installed, "attach", "calls", "--key", "id", "--watch", "id,statsu", says=["statsu"])
    refused(installed, "attach", "calls", "--key", "id", "--rule", "x:{user_id}", says=["user_id"])
    refused(installed, "attach", "calls", "--key", "id", "--rule", "x:{id", says=["x:{id"],
            code=None)
    refused(installed, "attach", "calls", "--key", "id", "--rule", "x:}", says=["x:}"], code=None)
    refused(installed, "attach", "a.b.c.d", "--key", "id", says=["a.b.c.d"], code=None)


@test("bad expressions are refused")
def _(installed):
    installed.sql(CALLS)
    for expression in ("lower(", "no_column + 1", "id, user_id", "count(*)", "1; drop table calls",
                       "id) from calls; drop table calls; --", ""):
        refused(installed, "attach", "calls", "--key", f"k={expression}", says=["k"], code=None)
    equal(installed.value("select count(*) from calls"), "0", "rows")


@test("what cannot be captured is refused with the reason")
def _(installed):
    installed.sql("""create table base(id int);
        create view a_view as select * from base;
        create materialized view a_matview as select * from base;
        create foreign data wrapper dummy; create server dummy foreign data wrapper dummy;
        create foreign table a_foreign(id int) server dummy;
        create sequence a_sequence; create type a_type as (id int); create index an_index on base(id)""")
    refused(installed, "attach", "a_view", "--key", "id", says=["view"])
    refused(installed, "attach", "a_matview", "--key", "id", says=["materialized view"])
    refused(installed, "attach", "a_foreign", "--key", "id", says=["foreign table"])
    refused(installed, "attach", "a_sequence", "--key", "id", says=["a_sequence"])
    refused(installed, "attach", "an_index", "--key", "id", says=["an_index"])
    refused(installed, "attach", "pg_catalog.pg_class", "--key", "oid", says=["catalog"])
    refused(installed, "attach", "trigperf.outbox", "--key", "xid", says=["trigperf"])
    with installed.session() as session:
        schema = session.run("""create temporary table fleeting(id int);
                                select nspname from pg_class c join pg_namespace n
                                on n.oid = c.relnamespace where relname = 'fleeting'""")
        refused(installed, "attach", f"{schema}.fleeting", "--key", "id", says=["temporary"])


@test("attaching twice is refused and says how to go on")
def _(installed):
    installed.sql(CALLS)
    installed.trigperf(*FORM)
    refused(installed, *FORM, says=["attached", "detach"])
    refused(installed, "attach", "CALLS", "--key", "id", says=["attached", "detach"])
    refused(installed, "attach", "calls", "--key", "id", "--dry-run", says=["attached"])


@test("a role without rights is told which")
def _(installed):
    role = f"poor_{installed.name}"
    installed.sql(CALLS)
    installed.sql(f"create role {role} login")
    poor = installed.as_user(role)
    for args in (FORM, ["detach", "calls"], ["rules"], ["tail"], ["tail", "--consumer", "x"],
                 ["uninstall"], ["rules", "add", "calls", "x"]):
        before = fingerprint(installed)
        result = poor.trigperf(*args, ok=1)
        contains(result.err.lower(), "permission", f"standard error of {args!r}")
        equal(result.out, "", "standard output")
        same(before, fingerprint(installed))
    installed.sql(f"drop role {role}")


@test("a role that may not create schemas cannot install")
def _(db):
    role = f"poor_{db.name}"
    db.sql(f"create role {role} login")
    before = fingerprint(db)
    result = db.as_user(role).trigperf("install", ok=1)
    contains(result.err.lower(), "permission", "standard error")
    contains(result.err, "hint: ", "standard error")
    same(before, fingerprint(db))
    db.sql(f"drop role {role}")


@test("an owner who is not the installer is told what is missing")
def _(installed):
    role = f"owner_{installed.name}"
    installed.sql(f"create role {role} login; create schema s authorization {role}")
    owner = installed.as_user(role)
    owner.sql("create table s.t(id int primary key)")
    before = fingerprint(installed)
    contains(owner.attach("s.t", "--key", "id", ok=1).err.lower(), "permission", "standard error")
    same(before, fingerprint(installed))
    installed.attach("s.t", "--key", "id", "--rule", "t:{id}")
    with installed.tail_start("--follow") as tail:
        tail.next()
        owner.sql("insert into s.t values (5)")
        tail.until_keys(["t:5"])
    installed.trigperf("uninstall")
    installed.sql(f"drop schema s cascade; drop role {role}")


@test("a table that somebody holds locked: attach waits a while, then says so, nothing half done")
def _(installed):
    installed.sql(CALLS)
    with installed.session() as holder:
        holder.run("begin; lock table calls in access exclusive mode")
        refused(installed, *FORM, says=["lock"], hint=True)
        holder.run("rollback")
    installed.trigperf(*FORM)


# --- rules -------------------------------------------------------------------------------------

def rule_rows(db):
    rules = json.loads(db.trigperf("rules", "list", "--format", "json").out)
    return sorted((r["table"] or "", r["scope"] or "", r["template"], ",".join(r["ops"]),
                   r["min_interval_ms"] or 0) for r in rules)


@test("an attach killed in its middle leaves nothing; status knows triggers without a row, and rows without triggers")
def _(installed):
    installed.sql("create table calls (id int, part int) partition by list (part); "
                  "create table calls_1 partition of calls for values in (1)")
    with installed.session() as writer:
        writer.run("begin; insert into calls_1 values (1, 1)")
        process = subprocess.Popen([harness.TOOL, "attach", "calls", "--key", "id", "--granularity", "statement"],
                                   env=installed.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.eventually(lambda: installed.value(
            "select count(*) from pg_locks where not granted and relation = 'calls_1'::regclass") == "1",
            "attach to wait at the partition")
        process.kill()
        process.wait()
        harness.eventually(lambda: installed.value("select count(*) from pg_stat_activity where query ilike "
                           "'%create trigger%' and pid <> pg_backend_pid()") == "0", "the end of its backend")
        writer.run("commit")
    equal((attached(installed), triggers(installed, "calls"), installed.value(
        "select count(*) from pg_proc where proname ~ '^capture_'")), ([], [], "0"), "left behind")
    installed.attach("calls", "--key", "id", "--granularity", "statement")
    status = json.loads(installed.trigperf("status", "--format", "json").out)
    equal((status["strays"], status["tables"][0]["state"]), ([], "ok"), "strays and state")
    installed.sql("drop trigger trigperf_capture_insert on calls")
    status = json.loads(installed.trigperf("status", "--format", "json").out)
    equal(status["tables"][0]["state"], "missing", "state")
    contains(status["tables"][0]["fix"], "attach it again", "fix")
    installed.sql("delete from trigperf.captured_table")
    strays = json.loads(installed.trigperf("status", "--format", "json").out)["strays"]
    equal({one["relation"] for one in strays}, {"public.calls", "public.calls_1"}, "strays")
    installed.sql("; ".join(one["fix"] for one in strays))
    equal(json.loads(installed.trigperf("status", "--format", "json").out)["strays"], [], "strays")


@test("rules are listed, added and removed")
def _(installed):
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id", "--key", "user_id")
    equal(rule_rows(installed), [], "rules at first")
    installed.trigperf("rules", "add", "public.calls", "call:{id}", "--on", "insert,update",
                       "--interval", "2s")
    installed.trigperf("rules", "add", "calls", "user:{user_id}")
    installed.trigperf("rules", "add", "--scope", "user", "dashboard:{user_id}")
    equal(rule_rows(installed),
          [("", "user", "dashboard:{user_id}", "", 0),
           ("public.calls", "", "call:{id}", "insert,update", 2000),
           ("public.calls", "", "user:{user_id}", "", 0)], "rules")
    text = installed.trigperf("rules").out
    for part in ("call:{id}", "public.calls", "dashboard:{user_id}", "2000"):
        contains(text, part, "rules as text")
    installed.trigperf("rules", "remove", "calls", "call:{id}")
    installed.trigperf("rules", "remove", "--scope", "user", "dashboard:{user_id}")
    equal(len(rule_rows(installed)), 1, "rules left")


@test("bad rules are refused")
def _(installed):
    installed.sql(CALLS)
    installed.sql("create table other(id int)")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}")
    refused(installed, "rules", "add", "calls", "call:{id}", says=["call:{id}"])
    refused(installed, "rules", "add", "calls", "x:{user_id}", says=["user_id"])
    refused(installed, "rules", "add", "other", "x", says=["other", "attach"])
    refused(installed, "rules", "add", "no_such", "x", says=["no_such"])
    refused(installed, "rules", "add", "calls", "x:{", says=["x:{"])
    refused(installed, "rules", "add", "calls", "x", "--on", "insert,merge", says=["merge"])
    refused(installed, "rules", "remove", "calls", "never", says=["never"])
    refused(installed, "rules", "remove", "--scope", "s", "never", says=["never"])
    refused(installed, "rules", "add", "calls", "x", "--interval", "soon", code=2, says=["soon"],
            hint=False)


@test("a cycle of scopes is refused")
def _(installed):
    installed.trigperf("rules", "add", "--scope", "a", "b:{id}")
    installed.trigperf("rules", "add", "--scope", "b", "c:{id}")
    refused(installed, "rules", "add", "--scope", "c", "a:{id}", says=["cycle"])
    refused(installed, "rules", "add", "--scope", "a", "a:{id}", says=["cycle"])


@test("a running tail follows rules that change")
def _(installed):
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id", "--rule", "old:{id}")
    with installed.tail_start("--follow") as tail:
        tail.next()
        installed.trigperf("rules", "add", "calls", "new:{id}")
        number = iter(range(1, 100000))
        harness.eventually(lambda: installed.sql(f"insert into calls values ({next(number)})") is not None
                           and tail.next() is not None
                           and any(key.startswith("new:") for key in tail.keys()),
                           "a key of the new rule")


# --- config ------------------------------------------------------------------------------------

@test("the configuration is described in every format")
def _(db, tmp):
    described = json.loads(db.trigperf("config", "--format", "json").out)
    names = {entry["name"] for entry in described}
    check({"batch.window_ms", "batch.max_keys", "connection"} <= names, f"names {names!r}")
    for text in ("text", "markdown"):
        for name in names:
            contains(db.trigperf("config", "--format", text).out, name, text)
    path = os.path.join(tmp, "all.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(db.trigperf("config", "--format", "ini").out)
    db.trigperf("config", "check", path)
    equal(db.trigperf("config").out, db.trigperf("config", "--format", "text").out, "default format")


@test("an option wins over the environment, that over a file, that over the default")
def _(db, tmp):
    def value(*args, env=None):
        return db.trigperf(*args, "config", "get", "batch.window_ms", env=env).out.strip()

    path = os.path.join(tmp, "one.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[batch]\nwindow_ms = 11\n")
    variable = {"TRIGPERF_BATCH_WINDOW_MS": "22"}
    equal(value(), "100", "default")
    equal(value("--config", path), "11", "file")
    equal(value("--config", path, env=variable), "22", "environment")
    equal(value("--config", path, "-o", "batch.window_ms=33", env=variable), "33", "option")
    refused(db, "config", "get", "batch.windowms", code=2, says=["batch.window_ms"], hint=False)
    refused(db, "status", env={"TRIGPERF_BATCH_WINDOW_MS": "x"}, says=["TRIGPERF_BATCH_WINDOW_MS"],
            hint=False)


@test("a faulty file is named with its line")
def _(db, tmp):
    path = os.path.join(tmp, "bad.ini")
    for text, says in (("[batch]\n\nwindow_ms = fast\n", ["bad.ini", "3", "window_ms"]),
                       ("[batch]\nwindw_ms = 3\n", ["bad.ini", "2", "batch.window_ms"]),
                       ("[rules]\nscope a = b:{id}\nscope b = a:{id}\n", ["cycle"]),
                       ("[rules]\npublic.calls = x:{id\n", ["x:{id"])):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        refused(db, "config", "check", path, says=says, hint=False)
    refused(db, "config", "check", os.path.join(tmp, "none.ini"), says=["none.ini"], hint=False)
    refused(db, "--config", os.path.join(tmp, "none.ini"), "status", says=["none.ini"], hint=False)


@test("rules of a file hold for this process")
def _(installed, tmp):
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id")
    path = os.path.join(tmp, "rules.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[rules]\npublic.calls = mine:{id}\nscope mine = also:{id}\n")
    with installed.tail_start("--follow", "--config", path) as tail:
        tail.next()
        installed.sql("insert into calls values (4)")
        tail.until_keys(["mine:4", "also:4"])


# --- output ------------------------------------------------------------------------------------

def on_terminal(db, *args, **env):
    """Runs the command with a terminal as standard output and error; returns what it shows."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([harness.TOOL, *args], env=db.env(TERM="xterm", **env),
                               stdin=subprocess.DEVNULL, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    return process.wait(harness.PATIENCE), shown.decode("utf-8", "replace")


@test("colours only on a terminal, and not with NO_COLOR")
def _(installed):
    installed.sql(CALLS)
    installed.trigperf(*FORM)
    for args, code in ((["status"], 0), (["rules"], 0), (["nonsense"], 2)):
        ended, shown = on_terminal(installed, *args)
        equal(ended, code, f"exit code of {args!r}")
        contains(shown, "\033[", f"{args!r} on a terminal")
        check("\033" not in on_terminal(installed, *args, NO_COLOR="1")[1], "colours with NO_COLOR")
        result = installed.trigperf(*args, ok=None, env={"TERM": "xterm"})
        check("\033" not in result.out + result.err, "colours without a terminal")


def fails_to_print(db, args, redirection):
    done = subprocess.run(["sh", "-c", f'"$@" {redirection}', "sh", harness.TOOL, *args],
                          env=db.env(), stderr=subprocess.PIPE, check=False)
    equal(done.returncode, 1, f"exit code of {args!r} with {redirection}: {done.stderr!r}")
    contains(done.stderr.decode(), "standard output", f"standard error of {args!r}")


@test("output that cannot be written is a failure")
def _(installed, db):
    for redirection in (">/dev/full", ">&-"):
        for args in (["status"], ["rules", "--format", "json"], ["--help"], ["config"]):
            fails_to_print(installed, args, redirection)
        fails_to_print(db, ["install", "--dry-run"], redirection)


if __name__ == "__main__":
    harness.main()
