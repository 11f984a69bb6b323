#!/usr/bin/python3
# suite: versions
"""The source wal after its consumer was away: the backlog is fetched with queries, in rounds, from a copy of
the slot, and the slot is followed from where they ended. Nothing is lost there, and nothing comes twice."""

import threading
import time

import harness
from collections import Counter
from follower import FAILED, LIB, READY, Follower
from harness import attempts, check, equal, eventually, test


class Wal(Follower):
    def __init__(self, database, consumer="web", **settings):
        super().__init__(database, consumer, source="wal", **{"batch.max_keys": 200000, **settings})

    def told(self):
        """How often each row of the table was."""
        counts = Counter()
        for batch in self.batches:
            for change in batch["changes"]:
                counts[int(change["keys"]["id"])] += change["count"]
        return counts

    def until_told(self, numbers):
        wanted = set(numbers)
        self.until(lambda f: self.news() and wanted <= self.told().keys(), "all rows")
        return self.told()

    def news(self):
        """Whether there are other batches than when this was asked last: counting all is slow."""
        before, self.counted = getattr(self, "counted", -1), len(self.batches)
        return self.counted != before


def away(database, *more):
    """A consumer that has read everything, and is gone."""
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active;"
                 "create table calls (id bigint primary key, note text)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal",
                    "--max-keys", "1000000", *more)
    with Wal(database) as first:
        first.until(lambda f: f.resyncs(), "the first resync").ready()
        first.close()
    eventually(lambda: slots(database) == [("f", "f")], "its slot to be free")


def slots(database):
    return [tuple(row) for row in database.rows(
        "select active, temporary from pg_replication_slots where database = current_database()")]


def insert(database, first, last, step=500):
    """Rows with enough in the log to be worth fetching, `step` a transaction."""
    database.sql("set synchronous_commit = off; do $$ begin "
                 f"for i in {first} .. {last} by {step} loop "
                 f"insert into calls select g, repeat('x', 60) from generate_series(i, least(i + {step} - 1, {last})) g;"
                 "commit; end loop; end $$")


def once_more(scenario):
    """A round that takes five seconds is the last, and the stream tells the rest: what is fetched shows only where
    the machine was not busy elsewhere. Each attempt has a database of its own."""
    def attempt(cluster):
        attempts(range(3), lambda _: scenario(cluster.installed()))
    return attempt


def assert_once(told, numbers):
    wrong = {number: told.get(number, 0) for number in numbers if told.get(number, 0) != 1}
    equal(dict(list(wrong.items())[:10]), {}, "rows that were not told exactly once")
    equal(len(told), len(numbers), "rows that were told")


def in_pieces(database, setting="'64kB'"):
    database.sql(f"alter system set logical_decoding_work_mem = {setting}; select pg_reload_conf()")


@test("all of a backlog is told once, while others write on; a transaction that was open is told too")
@once_more
def _(installed):
    away(installed)
    with installed.session() as open_one:
        open_one.run("begin; insert into calls values (900001)")
        insert(installed, 1, 9000)
        insert(installed, 9001, 9600, 1)
        open_one.run("savepoint a; insert into calls values (900002); rollback to a;"
                     "insert into calls values (900003)")
        with Wal(installed) as follower:
            writer = threading.Thread(target=insert, args=(installed, 10001, 11500, 1))
            writer.start()
            follower.until(lambda f: f.status()["fetched"] > 0, "fetching")
            open_one.run("commit")
            writer.join()
            numbers = [*range(1, 9601), *range(10001, 11501), 900001, 900003]
            assert_once(follower.until_told(numbers), numbers)
            follower.ready()
            equal(follower.resyncs(), [], "resyncs")
            equal(slots(installed), [("t", "f")], "slots: no copy is left")
            check(follower.status()["fetched"] > 9600, f"{follower.status()}")
            follower.close()
    with Wal(installed) as again:
        insert(installed, 20001, 20001)
        again.until_told([20001])
        equal(sorted(again.told()), [20001], "what comes after all was acknowledged")
        equal(again.status()["fetched"], 0, "nothing is fetched without a backlog")
        again.close()


@test("rounds: what one does not reach the next tells, pieces of a transaction that was not through included")
@once_more
def _(database):
    away(database)
    in_pieces(database)
    with database.session() as large:
        large.run("begin; insert into calls select g from generate_series(500001, 504000) g; savepoint a;"
                  "insert into calls select g from generate_series(600001, 602000) g; rollback to a")
        insert(database, 1, 66000, 2000)
        large.run("insert into calls select g from generate_series(504001, 506000) g; commit")
    insert(database, 70001, 72000, 100)
    in_pieces(database, "default")
    with Wal(database) as follower:
        numbers = [*range(1, 66001), *range(70001, 72001), *range(500001, 506001)]
        assert_once(follower.until_told(numbers), numbers)
        equal(follower.resyncs(), [], "resyncs")
        check(follower.status()["fetched"] > 70000, f"{follower.status()}")
        follower.close()


@test("a transaction larger than a round is told by the stream")
def _(cluster):
    database = cluster.installed()
    away(database)
    insert(database, 100001, 170000, 70000)
    insert(database, 1, 2000)
    in_pieces(database)
    with Wal(database, **{"memory.max_bytes": 512 << 20}) as follower:
        numbers = [*range(1, 2001), *range(100001, 170001)]
        assert_once(follower.until_told(numbers), numbers)
        equal(follower.resyncs(), [], "resyncs")
        check(0 < follower.status()["fetched"] < 70000, f"{follower.status()}")
        follower.close()
    in_pieces(database, "default")


@test("a long backlog: the server learns in between what was acknowledged")
def _(installed):
    away(installed)
    at = "select confirmed_flush_lsn from pg_replication_slots where not temporary"
    insert(installed, 1, 330000, 5000)
    with Wal(installed, **{"batch.max_keys": 50000, "batch.max_pending": 100}) as follower, \
            installed.session() as watcher:
        before, began = watcher.run(at), time.monotonic()
        follower.until(lambda f: watcher.run(at) != before or f.state() == READY, "the confirmation")
        check(follower.state() != READY, "it came with the stream alone")
        numbers = range(1, 330001)
        assert_once(follower.until_told(numbers), numbers)
        equal(follower.resyncs(), [], "resyncs")
        slow = time.monotonic() - began > 5     # then a round may have been the last
        check(slow or follower.status()["fetched"] > 330000, f"{follower.status()}")
        follower.close()


@test("a log that others filled: the stream tells the little that is in it")
def _(installed):
    away(installed)
    installed.sql("create table noise (id int, note text)")
    insert(installed, 1, 200, 10)
    installed.sql("insert into noise select g, repeat('x', 100) from generate_series(1, 60000) g")
    insert(installed, 201, 8000)
    with Wal(installed) as follower:
        assert_once(follower.until_told(range(1, 8001)), range(1, 8001))
        check(200 <= follower.status()["fetched"] < 1000, f"{follower.status()}")
        follower.close()


@test("no room for another slot: the stream tells all")
def _(installed):
    away(installed)
    insert(installed, 1, 9000)
    installed.sql("select pg_create_physical_replication_slot('full_' || g) from generate_series(1, "
                  "current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)) g")
    try:
        with Wal(installed) as follower:
            assert_once(follower.until_told(range(1, 9001)), range(1, 9001))
            equal(follower.status()["fetched"], 0, "fetched")
            follower.close()
    finally:
        installed.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'full%'")


@test("a slow host: the server's query ends nevertheless, memory is bounded, nothing is lost")
def _(installed):
    away(installed)
    insert(installed, 1, 30000, 100)
    with Wal(installed, **{"memory.max_bytes": 262144, "batch.max_pending": 2, "batch.max_keys": 1000}) as follower:
        def stream_follows():
            LIB.trigperf_process(follower.context, None)
            held = follower.status()["counters"]["bytes"] + follower.status()["waiting_bytes"]
            check(held < 3 * 262144, f"{held} bytes are held")
            return installed.value("select count(*) from pg_stat_replication where state <> 'startup'") == "1"
        eventually(stream_follows, "the slot to be followed while the host takes nothing")
        check(follower.status()["fetched"] > 0, "fetched")
        equal(installed.value("select count(*) from pg_stat_activity where backend_type = 'walsender' and "
                              "xact_start is not null"), "0", "transactions that are held open")
        told = follower.until_told(range(1, 30001))
        assert_once(told, range(1, 30001))
        equal(follower.resyncs(), [], "resyncs")
        follower.close()


@test("tables and rules that changed in the middle of a backlog")
@once_more
def _(installed):
    away(installed)
    insert(installed, 1, 5000)
    installed.sql("create table others (id bigint primary key)")
    installed.attach("public.others", "--key", "id", "--rule", "other:{id}", "--granularity", "wal",
                     "--max-keys", "10000")
    installed.sql("insert into others select g from generate_series(1, 3000) g")
    insert(installed, 5001, 9000)
    with Wal(installed) as follower:
        follower.until_keys("call:1", "call:5000", "other:1", "other:3000", "call:9000")
        equal(len(follower.keys()), 12000, "keys")
        check(follower.status()["fetched"] > 12000, f"{follower.status()}")
        follower.close()


@test("a name claimed by another process while it fetches: the newer one is told all that was not acknowledged")
def _(installed):
    away(installed)
    insert(installed, 1, 30000)
    slow = {"memory.max_bytes": 2 << 20, "batch.max_pending": 1, "batch.max_keys": 500}
    with Wal(installed, **slow) as older, Wal(installed) as newer:
        def fetching():
            LIB.trigperf_process(older.context, None)
            return older.status()["fetched"] > 0
        eventually(fetching, "fetching")
        newer.until(lambda f: f.status()["claim"] > older.status()["claim"], "the claim")
        older.until(lambda f: newer.turn(1).news() and set(range(1, 30001)) <=
                    (newer.told() + older.told()).keys(), "all rows")
        newer.ready()
        older.until(lambda f: f.state() == FAILED, "noticing that the name was claimed")
        check(newer.resyncs() == [] == older.resyncs(), "resyncs")
        insert(installed, 900001, 900001)
        newer.until_keys("call:900001")
        newer.close()


@test("a connection that breaks while it fetches: nothing is lost, and the next one goes without")
def _(installed):
    away(installed)
    insert(installed, 1, 40000)
    with Wal(installed, **{"memory.max_bytes": 2 << 20, "batch.max_pending": 1, "batch.max_keys": 500}) as follower:
        def fetching():
            LIB.trigperf_process(follower.context, None)
            return follower.status()["fetched"] > 0
        eventually(fetching, "fetching")
        equal(installed.value("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
                              "backend_type = 'walsender' and datname = current_database()"), "1", "ended")
        before = follower.status()["fetched"]
        told = follower.until_told(range(1, 40001))
        check(all(told[number] >= 1 for number in range(1, 40001)), "a row is missing")
        check(follower.status()["fetched"] < before + 40000, "fetched again")
        equal(follower.resyncs(), [], "resyncs")
        follower.close()
    eventually(lambda: slots(installed) == [("f", "f")], "the copy to be gone")


if __name__ == "__main__":
    harness.main()
