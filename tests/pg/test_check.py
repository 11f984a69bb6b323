#!/usr/bin/python3
# suite: versions
"""What no trigger sees: the leader finds it, mends or reports it, and the table is resynced."""

import re

import harness
from follower import READY, Follower
from harness import check, contains, equal, test

PARTITIONED = """create table calls (id bigint, user_id bigint, note text) partition by list (user_id);
create table calls_1 partition of calls for values in (1)"""


def attach(database, *more):
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", *more)


def checked(follower):
    """The leader has looked at the table at least once."""
    return follower.ready().until(
        lambda f: f.status()["notifier"], "leading")


def baseline(database, follower):
    """Every table has been looked at; what that told has arrived."""
    harness.eventually(lambda: database.value(
        "select trigperf.table_check_all() = 0 and not exists (select from trigperf.captured_table "
        "where fingerprint is null)") == "t", "a look")
    follower.turn()


def resynced(follower, before):
    return lambda f: len(f.resyncs()) > before


@test("a partition added later: at once through the parent, soon when written directly")
def _(installed):
    for granularity in ("statement", "row"):
        installed.sql(PARTITIONED)
        attach(installed, "--granularity", granularity)
        with Follower(installed) as follower:
            checked(follower)
            baseline(installed, follower)
            installed.sql("create table calls_2 partition of calls for values in (2)")
            installed.sql("insert into calls values (20, 2)")
            follower.until_keys("call:20")
            before = len(follower.resyncs())
            follower.until(resynced(follower, before), "the resync")
            installed.sql("insert into calls_2 values (21, 2)")
            follower.until_keys("call:21")
            follower.close()
        installed.trigperf("detach", "public.calls")
        installed.sql("drop table calls")


@test("a table that inherits later, a partition attached and one detached")
def _(installed):
    installed.sql("create table calls (id bigint, user_id bigint); "
                  "create table heir () inherits (calls)")
    attach(installed, "--granularity", "statement")
    with Follower(installed) as follower:
        checked(follower)
        baseline(installed, follower)
        before = len(follower.resyncs())
        installed.sql("create table \"Late Heir\" () inherits (heir)")
        follower.until(resynced(follower, before), "the resync")
        installed.sql("insert into \"Late Heir\" values (5, 5)")
        follower.until_keys("call:5")
        before = len(follower.resyncs())
        installed.sql("alter table heir no inherit calls")
        follower.until(resynced(follower, before), "the resync")
        follower.close()


@test("ATTACH and DETACH PARTITION, plain and CONCURRENTLY: a resync, and captured from then on")
def _(installed):
    for granularity in ("statement", "row"):
        installed.sql(PARTITIONED + "; create table guest (id bigint, user_id bigint, note text); "
                      "insert into guest values (70, 7)")
        attach(installed, "--granularity", granularity)
        look = "select trigperf.table_check_all()"
        captured = "select count(*) from trigperf.outbox where op <> 'B'"
        installed.value(look)
        for detach in ("detach partition guest", "detach partition guest concurrently"):
            installed.sql("alter table calls attach partition guest for values in (7)")
            equal(installed.value(look), "1", f"attached ({granularity})")
            equal(installed.value(look), "0", "looked at again")
            installed.sql("truncate trigperf.outbox")
            installed.sql("update calls set note = 'x' where user_id = 7; update guest set note = 'y'")
            equal(installed.value(captured), "2", f"through the parent, and directly ({granularity})")
            installed.sql(f"alter table calls {detach}")
            equal(installed.value(look), "1", f"{detach} ({granularity})")
            equal(installed.value(look), "0", "looked at again")
        installed.trigperf("detach", "public.calls")
        equal(installed.value("select count(*) from pg_trigger where tgname like 'trigperf%'"), "0", "triggers")
        installed.sql("drop table calls, guest")


@test("a table that goes before anybody looked at it: a resync all the same")
def _(installed):
    installed.sql("create table calls (id bigint primary key)")
    attach(installed)
    installed.sql("insert into calls values (1); drop table calls")
    with Follower(installed) as follower:
        follower.ready().until(lambda f: "public.calls" in f.resyncs(), "the resync of the table").close()


@test("triggers disabled for a while, a column rewritten, tables swapped")
def _(installed):
    installed.sql("create table calls (id bigint primary key, user_id bigint); "
                  "create table other (like calls including all)")
    attach(installed)
    with Follower(installed) as follower:
        checked(follower)
        for change, word in (
                ("alter table calls disable trigger all", "disabled"),
                ("alter table calls enable trigger all", None),
                ("alter table calls alter user_id type bigint using user_id + 1", None),
                ("begin; alter table calls rename to former; alter table other rename to calls; "
                 "commit", "renamed")):
            baseline(installed, follower)
            before = len(follower.resyncs())
            installed.sql(change)
            follower.until(resynced(follower, before), f"the resync after {change}")
            if word:
                contains(installed.value("select error_message from trigperf.trigger_error_log "
                                         "order by id desc limit 1"), word)
        follower.close()


@test("what is undone before anybody looked: triggers disabled for a load, a partition detached for a while")
def _(installed):
    look = "select trigperf.table_check_all()"
    for granularity in ("statement", "row"):
        installed.sql(PARTITIONED + "; create table users (id bigint primary key)")
        attach(installed, "--granularity", granularity)
        installed.attach("public.users", "--key", "id", "--rule", "user:{id}", "--granularity", granularity)
        for name, meanwhile in (
                ("users", "begin; alter table users disable trigger user; insert into users values (1); "
                          "alter table users enable trigger user; commit"),
                ("calls", "alter table calls_1 disable trigger all; insert into calls_1 values (1, 1);"
                          "alter table calls_1 enable trigger all"),
                ("calls", "alter table calls detach partition calls_1;"
                          "alter table calls attach partition calls_1 for values in (1)")):
            installed.value(look)
            equal(installed.value(look), "0", "tables found changed before")
            installed.sql("truncate trigperf.outbox; " + meanwhile)
            equal(installed.value(look), "1", f"tables found changed by {meanwhile} ({granularity})")
            equal(installed.value("select string_agg(c.table_name, ' ') from trigperf.outbox o join "
                                  "trigperf.captured_table c on c.id = o.table_id where o.op = 'B'"),
                  name, f"tables resynced after {meanwhile} ({granularity})")
        installed.trigperf("detach", "public.calls")
        installed.trigperf("detach", "public.users")
        installed.sql("drop table calls, users")


@test("nothing happens: no resync; TRUNCATE and VACUUM FULL are no news")
def _(installed):
    installed.sql("create table calls (id bigint primary key, user_id bigint)")
    attach(installed)
    with Follower(installed) as follower:
        checked(follower)
        baseline(installed, follower)
        before = installed.value("select count(*) from trigperf.outbox where op = 'B'")
        installed.sql("insert into calls values (1, 1); vacuum full calls; analyze calls; "
                      "truncate calls; create index on calls (user_id)")
        equal(installed.value("select trigperf.table_check_all()"), "0", "tables found changed")
        equal(installed.value("select count(*) from trigperf.outbox where op = 'B'"), before,
              "resyncs")
        follower.close()


@test("a table in use is looked at later, and nobody waits")
def _(installed):
    installed.sql(PARTITIONED)
    attach(installed)
    installed.value("select trigperf.table_check_all()")
    installed.sql("create table calls_2 partition of calls for values in (2)")
    with installed.session() as writer:
        writer.run("begin; insert into calls_2 values (1, 2)")
        equal(installed.value("select trigperf.table_check_all()"), "0", "while it is in use")
        writer.run("commit")
    equal(installed.value("select trigperf.table_check_all()"), "1", "afterwards")


@test("a key column retyped: sessions that know the former type are told coarsely, until the next look")
def _(installed):
    installed.sql("create table calls (id int primary key, user_id int, note text)")
    attach(installed, "--key", "user_id", "--granularity", "row")
    installed.value("select trigperf.table_check_all()")
    captured = "select string_agg(op::text, '' order by xid) from trigperf.outbox where op <> 'B'"
    with installed.session() as session:
        session.run("insert into calls values (1, 1); update calls set note = 'x'; delete from calls")
        equal(installed.value(captured), "IUD", "captured before")
        installed.sql("truncate trigperf.outbox; alter table calls alter id type bigint, "
                      "alter user_id type smallint")
        session.run("insert into calls values (2, 2)")
        equal(installed.value(captured), "E", "captured with the former plan")
        equal(installed.value("select trigperf.table_check_all()"), "1", "tables found changed")
        installed.sql("truncate trigperf.outbox")
        session.run("insert into calls values (3000000000, 3); update calls set user_id = 4; "
                    "delete from calls")
        check("E" not in installed.value(captured), f"captured {installed.value(captured)}")
    equal(installed.value("select trigperf.table_check_all()"), "0", "tables found changed again")


@test("who may not renew the function says so once, and resyncs all the same")
def _(installed):
    installed.sql("create role installer superuser; create role owner_of_calls; create table calls "
                  "(id int primary key); alter table calls owner to owner_of_calls")
    attach(installed)
    installed.value("select trigperf.table_check_all()")
    installed.sql("alter role installer nosuperuser; alter function trigperf.table_check_all() owner to "
                  "installer; grant all on schema trigperf to installer; grant all on all tables in "
                  "schema trigperf to installer; grant all on all functions in schema trigperf to "
                  "installer; grant all on all sequences in schema trigperf to installer")
    for kind in ("bigint", "smallint"):
        installed.sql(f"truncate trigperf.outbox; alter table calls alter id type {kind}")
        equal(installed.value("select trigperf.table_check_all()"), "1", "tables found changed")
        equal(installed.value("select count(*) from trigperf.outbox where op = 'B'"), "1", "resyncs")
    equal(installed.value("select count(*) from trigperf.trigger_error_log where operation = 'check' and "
                          "sqlstate = '42501'"), "1", "complaints")


@test("a table that inherits later is attended to, and attaching anew is recommended where keys may repeat")
def _(installed):
    installed.sql("create table calls (id bigint primary key, user_id bigint)")
    attach(installed, "--granularity", "statement")
    installed.value("select trigperf.table_check_all()")
    installed.sql("create table heir () inherits (calls)")
    equal(installed.value("select trigperf.table_check_all()"), "1", "tables found changed")
    contains(installed.value("select error_message from trigperf.trigger_error_log"), "attach it anew")


@test("a rule spoilt by hand: its table is told coarsely, nobody stops, and mending it is enough")
def _(installed):
    installed.sql("create table calls (id bigint primary key, user_id bigint); "
                  "create table users (id bigint primary key)")
    attach(installed)
    installed.attach("public.users", "--key", "id", "--rule", "user:{id}")
    with Follower(installed, "web") as follower:
        follower.ready()
        follower.until(lambda f: f.resyncs(), "the first resync")
        follower.batches.clear()
        for spoil in ("template = 'call:{idd}'", "template = 'call:{id'", "ops = '{}', template = '{'"):
            installed.sql(f"update trigperf.cascade_rule set {spoil} where template like 'call%' "
                          "or template = '{'; select trigperf.registry_bump()")
            follower.until(lambda f: f.status()["rules_left_out"] == 1, "the new rules")
            installed.sql("insert into users values (7); insert into calls values (1, 7)")
            follower.until(lambda f: f.resyncs() == ["public.calls"], "the resync")
            follower.until_keys("user:7")
            equal(follower.keys(), {"user:7"}, "keys")
            equal((follower.error, follower.state()), (None, READY), "error and state")
            check(any(level == 0 and "of table public.calls" in text and "trigperf rules remove" in text
                      for level, text in follower.log_lines), f"{follower.log_lines}")
            follower.batches.clear()
            follower.log_lines.clear()
            installed.sql("truncate calls, users")
            follower.until(lambda f: len(set(f.resyncs())) == 2, "the truncation")
            follower.batches.clear()
        installed.sql("update trigperf.cascade_rule set template = 'call:{id}' where template = '{'; "
                      "select trigperf.registry_bump()")
        follower.until(lambda f: f.status()["rules_left_out"] == 0, "the mended rules")
        installed.sql("insert into calls values (2, 7)")
        follower.until_keys("call:2")
        equal(follower.resyncs(), [], "resyncs")
        installed.sql("insert into trigperf.cascade_rule (scope, template) "
                      "values ('call', 'x:{id}'), ('x', 'call:{id}'); select trigperf.registry_bump()")
        follower.until(lambda f: f.status()["rules_left_out"] == 1, "the circle")
        installed.sql("insert into calls values (3, 7); insert into users values (3)")
        follower.until(lambda f: set(f.resyncs()) == {"public.calls", "public.users"}, "resyncs")
        installed.trigperf("rules", "remove", "--scope", "x", "call:{id}")
        follower.until(lambda f: f.status()["rules_left_out"] == 0, "the circle broken")
        installed.sql("insert into calls values (4, 7)")
        follower.until_keys("call:4", "x:4")
        follower.close()


@test("statements prepared for former rules do not pile up on the server")
def _(cluster):
    installed = cluster.installed()
    installed.sql(f"alter database {installed.name} set log_statement = 'all'; "
                  "create table calls (id bigint primary key, user_id bigint)")
    attach(installed)
    with Follower(installed, "web", application_name="reloads") as follower:
        follower.ready()
        for n in range(3):
            installed.trigperf("rules", "add", "calls", f"more{n}:{{id}}")
            installed.sql(f"insert into calls values ({n}, 1)")
            follower.until_keys(f"more{n}:{n}")
        follower.close()
    log = cluster.log()
    made = re.findall(r"statement: PREPARE (tp_\w+)", log)
    gone = re.findall(r"statement: DEALLOCATE (tp_\w+)", log)
    check(len(made) >= 8, f"prepared: {made}")
    equal(sorted(set(made) - set(gone)), sorted(made[-2:]), "what is left of the prepared ones")


# --- looks that cost little -------------------------------------------------------------------------

SPOIL = "update trigperf.captured_table set fingerprint = 'another'"  # seen by who looks, and by nobody else
LOOK = "select trigperf.table_check_all()"
ALTERED = (  # every catalog that a fingerprint depends on
    "alter table calls add x int", "alter table calls rename note to remark", "alter table calls drop x",
    "alter table calls alter remark type varchar(80)", "alter table calls add twice bigint generated always as (id * 2) stored",
    "alter table calls drop twice; alter table calls add twice bigint generated always as (id * 3) stored",
    "alter table calls add constraint few check (id > 0)", "alter table calls drop constraint few",
    "create trigger early before insert on calls_1 for each row execute function suppress_redundant_updates_trigger()",
    "alter table calls_1 disable trigger early", "drop trigger early on calls_1",
    "create rule nothing as on insert to calls_1 do also nothing", "drop rule nothing on calls_1",
    "create table calls_2 partition of calls for values in (2)", "alter table calls detach partition calls_2",
    "alter table calls attach partition calls_2 for values in (2)", "alter table calls_2 rename to calls_second",
    "create schema hidden; alter table calls_second set schema hidden", "alter schema hidden rename to seen",
    "drop table seen.calls_second",
    "create domain amount as int check (value > 0); alter table calls add y amount", "alter domain amount add check (value < 9)",
    "alter domain amount set default 3", "alter domain amount drop constraint amount_check",
    "create type mood as enum ('a'); alter table calls add z mood", "alter type mood add value 'b'", "alter type mood rename value 'a' to 'c'",
    "alter table calls alter z type text", "revoke insert on trigperf.outbox_1 from {owner}", "grant insert on trigperf.outbox_1 to {owner}",
    "revoke usage on schema trigperf from {owner}", "grant usage on schema trigperf to {owner}")


def settled(database):
    """Looks until there is nothing to do, which the next look remembers."""
    while database.value("select trigperf.table_check_all() > 0 or exists (select from trigperf.captured_table c "
                         "join trigperf.table_digests() d on d.id = c.id where d.digest is distinct from c.digest)") == "t":
        pass


@test("what has not changed is not looked at again, and whatever may count is a change")
def _(installed):
    installed.sql("create table calls (id bigint, user_id bigint, note text) partition by list (user_id);"
                  "create table calls_1 partition of calls for values in (1); create role plain_owner;"
                  "grant create on schema public, trigperf to plain_owner; grant usage on schema trigperf to plain_owner;"
                  "grant insert on all tables in schema trigperf to plain_owner")
    attach(installed)
    function = installed.value("select function_name from trigperf.captured_table")
    installed.sql(f"alter function trigperf.{function}() owner to plain_owner")
    for change in ALTERED:
        settled(installed)
        installed.sql(SPOIL)
        equal(installed.value(LOOK), "0", f"tables found changed before {change}")
        installed.sql(change.format(owner="plain_owner"))
        equal(installed.value(LOOK), "1", f"tables found changed after {change}")
    installed.sql("drop owned by plain_owner cascade; drop role plain_owner")


@test("what could not be looked at is looked at the next time, and everything once an hour")
def _(installed):
    installed.sql("create table calls (id bigint, user_id bigint); create table heir () inherits (calls)")
    attach(installed, "--granularity", "statement")
    settled(installed)
    with installed.session() as session:
        session.run("begin; create table late () inherits (calls); lock table heir in access exclusive mode")
        installed.sql(SPOIL)
        equal(installed.value(LOOK), "0", "nothing is seen of what is not committed")
        session.run("commit; begin; lock table late in access exclusive mode")
        equal(installed.value(LOOK), "0", "it is in use")
        session.run("rollback")
    equal(installed.value(LOOK), "1", "it is not in use any more")
    settled(installed)
    installed.sql(SPOIL + "; update trigperf.captured_table set digest = digest - 1")
    equal(installed.value(LOOK), "1", "an hour later")


if __name__ == "__main__":
    harness.main()
