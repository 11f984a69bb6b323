#!/usr/bin/python3
# suite: versions
"""Rights: what `trigperf grants` gives is enough, and not more; who gains nothing by hostile objects."""

import glob
import json
import os
import re

import harness
from follower import LIB, Follower
from harness import check, contains, equal, test

CALLS = "create table calls(id int primary key, user_id int, note text)"


def rights(db):
    """Every grant in the database and on it."""
    return db.rows("""
        select 'database', datname, datacl::text from pg_database where datname = current_database()
        union all select 'schema', nspname, nspacl::text from pg_namespace
        union all select 'relation', oid::regclass::text, relacl::text from pg_class where oid >= 16384
        union all select 'column', attrelid::regclass || '.' || attname, attacl::text from pg_attribute
          where attrelid >= 16384 and attacl is not null
        union all select 'function', oid::regprocedure::text, proacl::text from pg_proc where oid >= 16384
        union all select 'member', member::regrole::text, roleid::regrole::text from pg_auth_members
        order by 1, 2, 3""")


def login(db, name, *more):
    """A role of this database; returns the database as that role sees it."""
    role = f"{name}_{db.name}"
    db.sql(f'create role "{role}" login ' + " ".join(more))
    return db.as_user(role)


def apply(db, kind, user, *more):
    return db.trigperf("grants", f"--{kind}", user.user, *more, "--apply").out


def denied(user, statements):
    for statement in statements:
        try:
            said = f"it ran and gave {user.sql(statement)!r}"
        except harness.SqlError as error:
            said = str(error)
        check("permission denied" in said or "must be owner" in said, f"{statement}: {said}")


# --- the command -----------------------------------------------------------------------------------

@test("grants are printed, and run only with --apply; revoking them leaves everything as before")
def _(installed):
    user = login(installed, "Odd Role")
    for kind in ("installer", "consumer", "metrics"):
        before = rights(installed)
        sql = installed.trigperf("grants", f"--{kind}", user.user).out
        contains(sql, f'TO "{user.user}";', "SQL")
        equal(rights(installed), before, f"rights after printing those of a {kind}")
        equal(apply(installed, kind, user), sql, "what ran")
        check(rights(installed) != before, "nothing was granted")
        after = rights(installed)
        apply(installed, kind, user)
        equal(rights(installed), after, "rights when granted twice")
        contains(installed.trigperf("grants", f"--{kind}", user.user, "--revoke").out,
                 f'FROM "{user.user}";', "SQL")
        equal(rights(installed), after, "rights after printing a REVOKE")
        apply(installed, kind, user, "--revoke")
        equal([row for row in rights(installed) if user.user in str(row)], [], f"left of a {kind}")


@test("a printed grant does the same in another tool")
def _(installed):
    user = login(installed, "pasted")
    sql = installed.trigperf("grants", "--consumer", user.user).out
    installed.sql("begin;\n" + sql + "commit;")
    after = rights(installed)
    apply(installed, "consumer", user)
    equal(rights(installed), after, "rights")


@test("writers need nothing, and are told so")
def _(installed):
    user = login(installed, "writer")
    before = rights(installed)
    for more in ((), ("--apply",), ("--revoke", "--apply")):
        said = installed.trigperf("grants", "--writer", user.user, *more).out
        contains(said, "no right", "answer")
        check(all(line.startswith("--") for line in said.splitlines()), said)
    equal(rights(installed), before, "rights")


@test("superusers and owners are not touched, by REVOKE neither")
def _(installed, cluster):
    boss = login(installed, "boss", "superuser")
    owner = login(installed, "owner")
    installed.sql(f"alter schema trigperf owner to {owner.user}")
    for kind in ("installer", "consumer", "metrics"):
        for more in ((), ("--revoke",)):
            before = rights(installed)
            apply(installed, kind, boss, *more)
            if kind != "installer":
                contains(apply(installed, kind, owner, *more), "owns the schema", "answer")
            equal(rights(installed), before, f"rights after {kind} {more}")
    installed.sql(f"alter schema trigperf owner to postgres; alter database {installed.name} owner to {owner.user}")
    before = rights(installed)
    contains(apply(installed, "installer", owner, "--revoke"), "owns the database", "answer")
    equal(rights(installed), before, "rights")
    installed.sql(f"alter database {installed.name} owner to postgres")


@test("mistakes are named and change nothing")
def _(installed, db):
    user = login(installed, "user")
    installed.sql(CALLS)
    before = rights(installed)
    for args, code, says in (((), 2, "--consumer"), (("--consumer",), 2, "value"),
                             (("--consumer", "a", "--metrics", "b"), 2, "one of"),
                             (("--consumer", user.user, "calls"), 2, "calls"),
                             (("--consumer", "no_such", "--apply"), 1, "no_such"),
                             (("--consumer", "", "--apply"), 1, "name of a role"),
                             (("--installer", user.user, "no_such", "--apply"), 1, "no_such"),
                             (("--consumer", "public", "--apply"), 1, "public"),
                             (("--consumr", user.user), 2, "--consumer")):
        result = installed.trigperf("grants", *args, ok=code)
        contains(result.err, says, f"error of {args!r}")
        equal(result.out, "", "standard output")
    for kind in ("consumer", "metrics"):
        contains(db.trigperf("grants", f"--{kind}", user.user, ok=1).err, "install", "error")
    contains(user.trigperf("grants", "--metrics", user.user, "--apply", ok=1).err.lower(), "permission", "error")
    equal(rights(installed), before, "rights")


# --- a consumer ------------------------------------------------------------------------------------

@test("a consumer is granted what lib/pg reads and calls, no more")
def _(installed):
    text = ""
    for path in glob.glob(os.path.join(harness.ROOT, "lib", "pg", "*.[ch]")):
        with open(path, encoding="utf-8") as file:
            text += re.sub(r'"\s*\\?\n\s*"', "", re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S))
    sql = installed.trigperf("grants", "--consumer", "postgres", ok=True).out
    contains(sql, "superuser", "answer")
    user = login(installed, "reader")
    sql = installed.trigperf("grants", "--consumer", user.user).out
    # KPIs are refreshed only by a context that is told to, as the role that owns them
    # (and what the elected context does by itself may be done by hand)
    called = set(re.findall(r"trigperf\.(\w+)\(", text)) - {"kpi_refresh"} | {"cleanup_plan", "cleanup_step"}
    read = set(re.findall(r"(?:FROM|JOIN) trigperf\.(\w+)\b(?!\()", text))
    if "outbox_" in read:
        read = read - {"outbox_"} | {f"outbox_{n}" for n in range(4)}
    equal(sorted(re.findall(r"EXECUTE ON FUNCTION trigperf\.(\w+)", sql)), sorted(called), "functions")
    equal(sorted(re.findall(r"SELECT.* ON trigperf\.(\w+)", sql)), sorted(read), "tables")


@test("a consumer follows: named and without a name, as notifier, read its own writes")
def _(installed):
    user = login(installed, "reader")
    installed.sql(CALLS)
    installed.attach("calls", "--key", "id", "--rule", "call:{id}")
    contains(user.trigperf("tail", "--consumer", "web", ok=1).err.lower(), "permission", "before the grant")
    apply(installed, "consumer", user)
    with Follower(user, "web") as follower:
        follower.ready()
        follower.until(lambda f: f.status()["notifier"], "leading")
        installed.sql("insert into calls values (1)")
        follower.until_keys("call:1")
        follower.until(lambda _: installed.value("select count(*) from trigperf.captured_table "
                                                 "where fingerprint is null") == "0", "the leader's check")
        check(not any(level < 2 for level, _ in follower.log_lines), f"log: {follower.log_lines!r}")
        follower.close()
    lines = user.tail("--consumer", "web")
    check(isinstance(lines, list), "tail")
    equal(len(user.tail()), 1, "lines without a name")


def user_tables(db, user):
    db.sql(f"create schema private; create table private.t(id int); {CALLS}; create table other(id int)")
    db.attach("calls", "--key", "id", "--rule", "call:{id}")
    return ["select * from calls", "select * from private.t", "insert into calls values (1)",
            "update calls set id = 1", "create trigger t before insert on calls execute function trigperf.capture_1()",
            "create table trigperf.mine(a int)", "drop schema trigperf cascade",
            "insert into trigperf.outbox_0(xid, table_id, op) values ('1', 1, 'B')",
            "select trigperf.outbox_coarse(1, 'B')",
            "delete from trigperf.outbox", "truncate trigperf.outbox", "truncate trigperf.outbox_0",
            "update trigperf.setting set value = 0", "delete from trigperf.consumer",
            "update trigperf.consumer set claim = 0", "delete from trigperf.member",
            "update trigperf.notifier set beat = now()", "select trigperf.resync()", "select trigperf.registry_bump()",
            "select trigperf.consumer_drop('web')", "insert into trigperf.cascade_rule(scope, template) values ('a', 'b')",
            "delete from trigperf.captured_table", "delete from trigperf.trigger_error_log",
            "select error_context from trigperf.trigger_error_log",
            "select * from trigperf.incarnation", "delete from trigperf.incarnation",
            "alter function trigperf.outbox_rotate() owner to current_user"]


@test("a consumer knows its lag in bytes; one granted before there was that right goes on without")
def _(installed):
    installed.sql(CALLS)
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}")
    user = login(installed, "app")
    apply(installed, "consumer", user)

    def lag(known):
        with Follower(user, **{"batch.max_pending": 1}) as follower:
            follower.ready().until(lambda f: f.resyncs(), "the resync")
            for _ in range(3):
                installed.sql("insert into calls select max(id) + 1 from (select 0 union all select id from calls) as c(id)")
                LIB.check("trigperf_process", follower.context)
            harness.eventually(lambda: LIB.check("trigperf_process", follower.context) or
                               known(follower.status()["lag_bytes"]), "the lag")
            equal(follower.status()["state"], "ready", "state")

    lag(lambda value: value is not None and value > 0)
    installed.sql(f'revoke all on function trigperf.outbox_lag from "{user.user}"')
    lag(lambda value: value is None)


@test("a consumer can do nothing more")
def _(installed):
    user = login(installed, "reader")
    apply(installed, "consumer", user)
    denied(user, user_tables(installed, user) + [
        "select * from trigperf.consumer", "select * from trigperf.outbox_slot", "select beat from trigperf.notifier",
        "select trigperf.status()", "select * from trigperf.trigger_error_log"])
    for args in (["install"], ["status"], ["detach", "calls"], ["rules", "add", "calls", "x"], ["uninstall"],
                 ["attach", "other", "--key", "id"]):
        result = user.trigperf(*args, ok=None)
        check(result.code == 1 or args == ["install"], f"{args!r}: {result!r}")
    equal(installed.value("select count(*) from trigperf.captured_table"), "1", "attached")


# --- metrics ---------------------------------------------------------------------------------------

@test("metrics reads the status, whole")
def _(installed):
    user = login(installed, "watch")
    installed.sql(CALLS)
    installed.attach("calls", "--key", "q=1 / id", "--rule", "call:{q}")
    installed.sql("insert into calls values (0)")
    installed.tail("--consumer", "web")
    contains(user.trigperf("status", ok=1).err.lower(), "permission", "before the grant")
    apply(installed, "metrics", user)
    mine = json.loads(user.trigperf("status", "--format", "json").out)
    whole = json.loads(installed.trigperf("status", "--format", "json").out)
    equal(mine.keys(), whole.keys(), "members")
    equal((mine["tables"], mine["outbox"], mine["errors"], len(mine["consumers"])),
          (whole["tables"], whole["outbox"], whole["errors"], 1), "status")
    contains(mine["errors"]["latest"]["message"], "division", "error")


@test("metrics can do nothing more")
def _(installed):
    user = login(installed, "watch")
    apply(installed, "metrics", user)
    denied(user, user_tables(installed, user) + [
        "select * from trigperf.outbox", "select * from trigperf.outbox_0", "select channel from trigperf.notifier",
        "select * from trigperf.notifier", "select trigperf.outbox_rotate()", "select trigperf.incarnation_get()",
        "select trigperf.consumer_store('web', 1, pg_current_snapshot(), true)"])
    contains(user.trigperf("tail", ok=1).err.lower(), "permission", "tail")


@test("revoking one kind leaves the other, and the owners of captured tables")
def _(installed):
    both = login(installed, "both")
    apply(installed, "consumer", both)
    only = rights(installed)
    apply(installed, "metrics", both)
    contains(apply(installed, "metrics", both, "--revoke"), "another purpose", "answer")
    equal(len(both.tail()), 1, "lines")
    equal(rights(installed), only, "rights of the consumer alone")
    apply(installed, "metrics", both)
    apply(installed, "consumer", both, "--revoke")
    both.trigperf("status")
    contains(both.trigperf("tail", ok=1).err.lower(), "permission", "tail")
    owner = login(installed, "owner")
    installed.sql(f"{CALLS}; alter table calls owner to {owner.user}")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}")
    for kind in ("consumer", "metrics"):
        apply(installed, kind, owner)
        apply(installed, kind, owner, "--revoke")
    owner.sql("insert into calls values (1)")
    equal(installed.value("select count(*) from trigperf.outbox where op = 'I'"), "1", "captured")
    equal(installed.value("select count(*) from trigperf.trigger_error_log"), "0", "errors")


# --- an installer ----------------------------------------------------------------------------------

@test("an installer that owns nothing installs, attaches tables of its own and of others, and uninstalls")
def _(db):
    user, app, other = login(db, "installer"), login(db, "app"), login(db, "other")
    db.sql(f"""create schema s authorization {app.user}; create table s.t(id int primary key);
               alter table s.t owner to {app.user}; create schema mine authorization {user.user};
               create schema o authorization {other.user}; create table o.t(id int); alter table o.t owner to {other.user}""")
    contains(user.trigperf("install", ok=1).err.lower(), "permission", "install before")
    sql = apply(db, "installer", user, "s.t")
    contains(sql, "CREATE ON DATABASE", "SQL")
    check(other.user not in sql, sql)
    user.trigperf("install")
    user.sql("create table mine.t(id int)")
    for table in ("mine.t", "s.t"):
        user.attach(table, "--key", "id", "--rule", "t:{id}")
    contains(user.attach("o.t", "--key", "id", ok=1).err, "permission denied", "table of a third")
    app.sql("insert into s.t values (1)")
    equal(user.value("select count(*) from trigperf.outbox where op = 'I'"), "1", "captured")
    apply(user, "consumer", other)
    equal(len(other.tail()), 1, "the installer grants rights as well")
    user.trigperf("rules", "add", "s.t", "u:{id}")
    user.trigperf("detach", "s.t")
    user.trigperf("uninstall")
    apply(db, "installer", user, "s.t", "--revoke")
    contains(user.trigperf("install", ok=1).err.lower(), "permission", "install after")
    equal([row for row in rights(db) if user.user in str(row) and "member" in row], [], "memberships left")


@test("an installer is not made a superuser")
def _(installed):
    user = login(installed, "installer")
    installed.sql(CALLS)
    sql = apply(installed, "installer", user, "calls")
    contains(sql, "is a superuser", "SQL")
    equal(installed.value(f"select pg_has_role('{user.user}', 'postgres', 'member')"), "f", "membership")


@test("a second installer takes over what the first one installed")
def _(db):
    first, second = login(db, "first"), login(db, "second")
    db.sql(f"grant create on database {db.name} to {first.user}")
    first.trigperf("install")
    apply(db, "installer", second)
    db.sql(f"create schema m authorization {second.user}")
    second.sql("create table m.t(id int)")
    second.attach("m.t", "--key", "id")
    second.sql("insert into m.t values (1)")
    equal(second.value("select count(*) from trigperf.outbox where op = 'I'"), "1", "captured")
    second.trigperf("uninstall")


# --- hostile surroundings of whoever administers ---------------------------------------------------

OPERATORS = [(op, kind) for kind in ("int4", "int8", "oid", "regclass", "text", "name", "bool", "text[]", '"char"',
                                     "timestamptz", "numeric", "xid8")
             for op in ("=", "<>", "<", ">", "<=", ">=", "~", "||", "+", "-", "<@", "&", ">>")]


def hostile(db, schema):
    """Functions and operators that note under whose rights they ran."""
    db.sql(f"""create table public.stolen(by text, what text); grant insert on public.stolen to public;
        create function {schema}.note(what text) returns void language plpgsql as
        $$ begin insert into public.stolen values (current_user, what); end $$;""")
    text = ""
    for number, (op, kind) in enumerate(OPERATORS):
        result = "text" if op == "||" else kind if op in "+-&>>" and len(op) < 3 and op not in "<>" else "boolean"
        value = "$1" if result == kind else "$1::text" if result == "text" else "true"
        text += f"""create function {schema}.f{number}({kind}, {kind}) returns {result} language plpgsql as
            $$ begin perform {schema}.note('{op} {kind}'); return {value}; end $$;
            create operator {schema}.{op} (leftarg = {kind}, rightarg = {kind}, function = {schema}.f{number});"""
    for name, arguments, result, value in (
            ("quote_ident", "text", "text", "$1"), ("quote_ident", "name", "text", "$1"), ("now", "", "timestamptz", "null"),
            ("count_", "", "bigint", "0"), ("to_regclass", "text", "regclass", "null"), ("format", "text", "text", "$1"),
            ("current_setting", "text", "text", "null"), ("max_", "", "int", "1"), ("clock_timestamp", "", "timestamptz", "null"),
            ("setval", "regclass, bigint", "bigint", "1"), ("nextval", "regclass", "bigint", "1")):
        text += f"""create function {schema}.{name}({arguments}) returns {result} language plpgsql as
            $$ begin perform {schema}.note('{name}'); return {value}; end $$;"""
    text += f"""create function {schema}.step(bigint) returns bigint language plpgsql as
        $$ begin perform {schema}.note('count'); return 7; end $$;
        create aggregate {schema}.count(*) (sfunc = {schema}.step, stype = bigint, initcond = '0');
        create domain {schema}.text as int; create domain {schema}.xid8 as int; create domain {schema}.uuid as int;
        create domain {schema}.pg_snapshot as int; create table {schema}.setting(name int, value int);
        create table {schema}.pg_class(oid int); create table {schema}.pg_proc(oid int)"""
    db.sql(text)


@test("whoever administers runs nothing of a hostile schema")
def _(db, tmp):
    role = login(db, "hostile").user
    db.sql(f"{CALLS}; create schema evil authorization {role}")
    hostile(db, "evil")
    other = login(db, "reader").user
    files = []
    for watch in ("note", "user_id"):
        files.append(os.path.join(tmp, watch))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(f"[table calls]\nkeys = id\nwatch = {watch}\nrule = {watch}:{{id}}\n[scope a]\nrule = b\n")
    for path in ("evil, pg_catalog, public", "public, evil"):
        db.sql(f"alter database {db.name} set search_path = {path}")
        for args in (["install", "--dry-run"], ["install"], ["install"],
                     ["attach", "calls", "--key", "id", "--key", "l=pg_catalog.lower(note)", "--watch", "note",
                      "--rule", "call:{id}"],
                     ["rules", "add", "calls", "more:{id}"], ["rules", "add", "--scope", "more", "deep:{id}"],
                     ["rules"], ["status"], ["grants", "--consumer", other, "--apply"],
                     ["grants", "--metrics", other, "--apply"], ["grants", "--installer", other, "calls", "--apply"],
                     ["tail", "--consumer", "web"], ["rules", "remove", "calls", "more:{id}"],
                     ["rules", "remove", "--scope", "more", "deep:{id}"], ["detach", "calls"],
                     ["apply", files[0]], ["apply", files[1], "--prune"],
                     ["uninstall", "--dry-run"], ["uninstall"]):
            db.trigperf(*args)
            equal(db.rows("select * from public.stolen"), [], f"run by {args!r} under {path}")
    db.sql(f"alter database {db.name} reset search_path")


@test("a name cannot end a comment")
def _(installed):
    owner = login(installed, "sly")
    installed.sql(f"create schema sly authorization {owner.user}; create table precious(id int)")
    owner.sql('create table sly."t\ndrop table precious; --"(id int)')
    table = 'sly."t\ndrop table precious; --"'
    installed.attach(table, "--key", "id", "--rule", "t:{id}")
    owner.sql(f"insert into {table} values (1)")
    equal(installed.value("select count(*) from trigperf.outbox where op = 'I'"), "1", "captured")
    installed.trigperf("detach", table)
    equal(installed.value("select to_regclass('precious')"), "precious", "the other table")


if __name__ == "__main__":
    harness.main()
