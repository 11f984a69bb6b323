#!/usr/bin/python3
# suite: versions
"""Keys that are no text in UTF-8: they cost a resync of their table, and hold up nothing."""

import harness
from follower import LIB, Follower, turn_all
from harness import Database, check, equal, test

LATIN = r"convert_from('\x537472c3a4df65', 'SQL_ASCII')"  # half in UTF-8, half in LATIN1


def encoded(cluster, installed, encoding):
    """A database of its own in that encoding."""
    name = f"{encoding.lower()}_{installed.name}"
    installed.sql(f"create database {name} template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'")
    database = Database(cluster, name)
    database.trigperf("install")
    return database


def attached(database, *tables, granularity="statement"):
    for table in tables:
        database.sql(f"create table {table} (id int primary key, street text);"
                     f"alter table {table} replica identity full")
        database.attach(f"public.{table}", "--key", "street", "--key", "id", "--rule", table + ":{street}",
                        "--granularity", granularity)


def unreadable(follower):
    return follower.status()["counters"]["changes_unreadable"]


def around(database, follower, value, tables=("calls", "other")):
    """A row whose key is not UTF-8 stands between others of the same and of another table."""
    first, second = tables
    before = follower.resyncs()
    database.sql(f"insert into {first} values (1, 'a'); insert into {first} values (2, {value});"
                 f"insert into {first} values (3, 'c'); insert into {second} values (1, 'd')")
    follower.until(lambda f: {f"{first}:a", f"{first}:c", f"{second}:d"} <= f.keys() and
                   f"public.{first}" in f.resyncs()[len(before):], "the rows around it, and the resync")
    equal(follower.resyncs()[len(before):], [f"public.{first}"], "resyncs")
    equal(follower.status()["reconnects"], 0, "connections that broke")


@test("outbox in a database without an encoding: its table is resynced, and the rest is told by keys")
def _(cluster, installed):
    database = encoded(cluster, installed, "SQL_ASCII")
    attached(database, "calls", "other")
    with Follower(database, "web").ready() as follower:
        around(database, follower, LATIN)
        equal(unreadable(follower), 1, "changes that could not be told")
        sample = follower.status()["unreadable"]["samples"][0]
        equal([sample["table"], sample["bytes"]], ["public.calls", 7], "sample")
        database.sql("insert into other values (7, 'Stra\u00dfe')")
        follower.until_keys("other:Stra\u00dfe")


@test("two contexts in such a database: what one reads for the other is the same")
def _(cluster, installed):
    database = encoded(cluster, installed, "SQL_ASCII")
    attached(database, "calls")
    with Follower(database, "a").ready() as a, Follower(database, "b").ready() as b:
        turn_all([a, b], lambda: a.status()["notifier"] or b.status()["notifier"], "one notifier")
        turn_all([a, b], lambda: a.resyncs() and b.resyncs(), "the first resyncs")
        database.sql(f"insert into calls values (1, {LATIN}); insert into calls values (2, 'b')")
        turn_all([a, b], lambda: all("calls:b" in f.keys() and "public.calls" in f.resyncs() for f in (a, b)),
                 "the resync and the key")
        equal([unreadable(a), unreadable(b)], [1, 1], "changes that could not be told")
        equal({key for f in (a, b) for key in f.keys()}, {"calls:b"}, "keys")


@test("outbox where a byte has no equivalent in UTF-8: tables around it are resynced, nothing stands still")
def _(cluster, installed):
    database = encoded(cluster, installed, "WIN1252")
    attached(database, "calls", "other", "third")
    with Follower(database, "web").ready().until(lambda f: f.resyncs(), "the first resync") as follower:
        bad = r"convert_from('\x8161', 'WIN1252')"
        database.sql(f"insert into calls values (1, {bad})")
        follower.until(lambda f: "public.calls" in f.resyncs(), "the resync")
        database.sql("insert into other values (1, 'd')")
        follower.until_keys("other:d")
        equal(follower.status()["reconnects"], 0, "connections that broke")
        check(unreadable(follower) > 0, "nothing counted")
        # a backlog of small transactions in which it is one of many, and one larger than a page
        database.sql("do $$ begin for i in 10..400 loop insert into third values (i, 'x' || i); commit; end loop; "
                     f"insert into calls values (2, {bad}); commit; "
                     "for i in 401..800 loop insert into third values (i, 'x' || i); commit; end loop; end $$")
        follower.until_keys("third:x10", "third:x800")
        equal(follower.resyncs().count("*"), 1, "resyncs of everything")
        equal(follower.resyncs().count("public.calls"), 2, "resyncs of its table")
        database.sql("do $$ begin for i in 1001..3000 loop insert into third values (i, 'y' || i); end loop; "
                     f"insert into calls values (3, {bad}); end $$; insert into other values (2, 'e')")
        follower.until(lambda f: "other:e" in f.keys() and f.resyncs().count("public.calls") == 3, "the large one")
        equal(follower.status()["reconnects"], 0, "connections that broke")


@test("wal in a database without an encoding: the slot stays, its table is resynced")
def _(cluster, installed):
    database = encoded(cluster, installed, "SQL_ASCII")
    attached(database, "calls", "other", granularity="wal")
    with Follower(database, "web", source="wal").ready().until(lambda f: f.resyncs(), "the first resync") as follower:
        slot = follower.status()["slot"]
        around(database, follower, LATIN)
        equal(unreadable(follower), 1, "changes that could not be told")
        equal(follower.status()["slot"], slot, "slot")
        follower.close()
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


@test("wal where a byte has no equivalent in UTF-8: everything is resynced, and it goes on")
def _(cluster, installed):
    database = encoded(cluster, installed, "WIN1252")
    attached(database, "calls", "other", granularity="wal")
    with Follower(database, "web", source="wal").ready().until(lambda f: f.resyncs(), "the first resync") as follower:
        database.sql(r"insert into calls values (1, convert_from('\x8161', 'WIN1252'))")
        follower.until(lambda f: f.resyncs().count("*") > 1, "a resync of everything")
        follower.ready()
        database.sql("insert into other values (1, 'd')")
        follower.until_keys("other:d")
        follower.close()
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


class Listener(Follower):
    def __init__(self, database):
        super().__init__(database, source="notify", **{"notify.keys": "street"})

    def configure(self, config):
        for table in ("calls", "other"):
            LIB.check("trigperf_config_rule", config, table.encode(), None, None, (table + ":{street}").encode(), 0)


def notify(database, table, value):
    database.sql("select pg_notify('cache_invalidation', '{\"table\":\"" + table + "\",\"operation\":\"insert\","
                 "\"street\":\"' || " + value + " || '\"}')")


@test("notify in a database without an encoding: its table is resynced")
def _(cluster, installed):
    database = encoded(cluster, installed, "SQL_ASCII")
    with Listener(database).ready().until(lambda f: f.resyncs(), "the first resync") as follower:
        notify(database, "calls", LATIN)
        notify(database, "other", "'d'")
        follower.until(lambda f: "other:d" in f.keys() and "calls" in f.resyncs(), "both")
        equal(unreadable(follower), 1, "changes that could not be told")
        equal(follower.resyncs().count("*"), 1, "resyncs of everything")


@test("notify where a byte has no equivalent in UTF-8: the server ends the connection, and everything is resynced")
def _(cluster, installed):
    database = encoded(cluster, installed, "WIN1252")
    with Listener(database).ready().until(lambda f: f.resyncs(), "the first resync") as follower:
        notify(database, "calls", r"convert_from('\x8161', 'WIN1252')")
        follower.until(lambda f: f.resyncs().count("*") > 1, "a resync of everything").ready()
        notify(database, "other", "'d'")
        follower.until_keys("other:d")


if __name__ == "__main__":
    harness.main()
