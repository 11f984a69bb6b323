#!/usr/bin/python3
"""What no trigger sees: the leader finds it, mends or reports it, and the table is resynced."""

import harness
from follower import Follower
from harness import contains, equal, test

PARTITIONED = """create table calls (id bigint, user_id bigint, note text) partition by list (user_id);
create table calls_1 partition of calls for values in (1)"""


def attach(database, *more):
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", *more)


def checked(follower):
    """The leader has looked at the table at least once."""
    return follower.ready().until(
        lambda f: f.status()["notifier"], "leading")


def baseline(database, follower):
    follower.until(lambda _: database.value(
        "select count(*) from trigperf.captured_table where fingerprint is null") == "0", "a look")
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


if __name__ == "__main__":
    harness.main()
