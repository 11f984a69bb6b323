#!/usr/bin/python3
# suite: versions
"""A host that does not pull: sources that can wait stop reading, others collapse; nothing is lost."""

import ctypes
import time

import harness
from follower import LIB, Follower
from harness import check, equal, eventually, test

TABLE = "create table calls (id bigint primary key, user_id bigint)"
RULES = (("calls", "dashboard:{user_id}"), ("calls", "call:{user_id}:{id}"))
BOUND = 262144
UPDATE = 8


class Notified(Follower):
    def __init__(self, database, rules=RULES, **settings):
        self.rules = rules
        super().__init__(database, **{"source": "notify", "notify.keys": "user_id,id", "batch.max_pending": 1,
                                      "memory.max_bytes": BOUND, "memory.max_groups": 100, **settings})

    def configure(self, config):
        for table, template in self.rules:
            LIB.check("trigperf_config_rule", config, table.encode(), None, None, template.encode(), 0)


def listening(database, **settings):
    return Notified(database, **settings).ready().until(lambda f: f.resyncs(), "the first resync")


def notify(database, count, table="'calls'", user="1", number="i"):
    database.sql(f"select pg_notify('cache_invalidation', json_build_object('table', {table}, 'operation', 'UPDATE', "
                 f"'user_id', {user}, 'id', {number})::text) from generate_series(1, {count}) i")


def process(follower):
    LIB.check("trigperf_process", follower.context)


def unpulled(follower, count):
    """Lets so many notifications come while nobody pulls; the counters then."""
    before = follower.status()["notifications"]
    most = [0]

    def told():
        process(follower)
        status = follower.status()
        most[0] = max(most[0], status["counters"]["bytes"])
        return status["notifications"] - before >= count
    eventually(told, "all notifications")
    check(most[0] < 2 * BOUND, f"{most[0]} bytes were held")
    return follower.status()["counters"]


def idle(follower):
    return follower.status()["counters"]["pending_batches"] == 0 and follower.status()["counters"]["pending_keys"] == 0


def drained(follower, seen):
    """Keys and prefixes that are told after the batches seen before."""
    follower.until(idle, "the end")
    batches = follower.batches[seen:]
    entries = [entry for batch in batches for entry in batch["resync"]]
    return {key for batch in batches for key in batch["keys"]}, entries


def missing(expected, keys, entries):
    prefixes = tuple(prefix for entry in entries for prefix in entry["prefixes"])
    everything = any(entry["level"] == "all" for entry in entries)
    return sorted(key for key in expected if key not in keys and not everything and not key.startswith(prefixes))


@test("notify: bursts of few users become one entry for each, and no more is forgotten")
def _(db):
    with listening(db) as follower:
        seen = len(follower.batches)
        notify(db, 20000, user="i % 5")
        counters = unpulled(follower, 20000)
        check(counters["changes_collapsed_group"] > 10000, f"{counters}")
        equal(counters["changes_collapsed_group"], counters["changes_collapsed"], "no more than groups")
        keys, entries = drained(follower, seen)
        expected = {f"call:{i % 5}:{i}" for i in range(1, 20001)} | {f"dashboard:{i}" for i in range(5)}
        equal(missing(expected, keys, entries), [], "keys that nobody was told of")
        equal({(entry["table"], entry["level"]) for entry in entries}, {("calls", "group")}, "entries")
        equal({prefix for entry in entries for prefix in entry["prefixes"]}, {f"call:{i}:" for i in range(5)}, "groups")
        equal({template for entry in entries for template in entry["templates"]}, {"call:{user_id}:{id}"}, "templates")
        check({f"dashboard:{i}" for i in range(5)} <= keys, "dashboards are told by their keys")
        status = follower.status()
        check(0 <= status["lag_seconds"] < harness.PATIENCE, f"lag of {status['lag_seconds']} s")
        equal(status["lag_bytes"], None, "bytes that the server does not tell")
        check(0 <= status["queue_ratio"] < 1, f"queue at {status['queue_ratio']}")


@test("notify: too many groups of a template are all of that template, and of no other")
def _(db):
    rules = RULES + (("calls", "region:{region}"),)
    with listening(db, rules=rules, **{"notify.keys": "user_id,id,region"}) as follower:
        seen = len(follower.batches)
        db.sql("select pg_notify('cache_invalidation', json_build_object('table', 'calls', 'operation', 'UPDATE', "
               "'user_id', i, 'id', i, 'region', i % 3)::text) from generate_series(1, 10000) i")
        counters = unpulled(follower, 10000)
        equal(counters["changes_collapsed_group"], counters["changes_collapsed"], "no more than groups")
        keys, entries = drained(follower, seen)
        expected = {f"call:{i}:{i}" for i in range(1, 10001)} | {f"dashboard:{i}" for i in range(1, 10001)}
        equal(missing(expected, keys, entries), [], "keys that nobody was told of")
        prefixes = {prefix for entry in entries for prefix in entry["prefixes"]}
        check({"call:", "dashboard:"} <= prefixes, f"prefixes {sorted(prefixes)[:10]}")
        check(not any(prefix.startswith("region") for prefix in prefixes), "regions were told by prefix")
        check({f"region:{i}" for i in range(3)} <= keys, "regions are told by their keys")


@test("notify: tables when there is no memory for groups, everything when there is none for tables")
def _(db):
    with listening(db, **{"memory.group_percent": 30, "memory.table_percent": 30}) as follower:
        seen = len(follower.batches)
        notify(db, 5000)
        counters = unpulled(follower, 5000)
        equal(counters["changes_collapsed_table"], counters["changes_collapsed"], "no more than tables")
        keys, entries = drained(follower, seen)
        equal({(entry["table"], entry["level"]) for entry in entries}, {("calls", "table")}, "entries")
        equal(missing({f"call:1:{i}" for i in range(1, 5001)} | {"dashboard:1"}, keys, entries), [], "missing keys")
        seen = len(follower.batches)
        notify(db, 4000, table="'a table with a name that takes some memory, number ' || i")
        counters = unpulled(follower, 4000)
        check(counters["changes_collapsed_all"] > 0, f"{counters}")
        keys, entries = drained(follower, seen)
        equal([entry["table"] for entry in entries if entry["level"] == "all"][:1], ["*"], "everything")
        notify(db, 1, number="77")
        follower.until_keys("call:1:77")


def push(follower, user, number):
    names, values = (ctypes.c_char_p * 2)(b"user_id", b"id"), (ctypes.c_char_p * 2)(user.encode(), number.encode())
    LIB.check("trigperf_push", follower.context, b"calls", UPDATE, names, values, 2)


@test("pushed changes collapse; the outbox of the same context waits, and is told exactly")
def _(installed):
    installed.sql(TABLE.replace("calls", "kept"))
    installed.attach("public.kept", "--key", "id", "--rule", "kept:{id}")
    settings = {"memory.max_bytes": BOUND, "memory.max_groups": 100, "batch.max_pending": 1}

    class Both(Follower):
        configure = Notified.configure
        rules = RULES

    with Both(installed, **settings).ready().until(lambda f: f.resyncs(), "the resync") as follower:
        seen = len(follower.batches)
        for i in range(10000):
            push(follower, str(i % 5), str(i))
        installed.sql("insert into kept select i, i from generate_series(1, 500) i")
        for i in range(10000, 20000):
            push(follower, str(i % 5), str(i))
            if i % 1000 == 0:
                process(follower)
                counters = follower.status()["counters"]
                check(counters["bytes"] < 2 * BOUND, f"{counters['bytes']} bytes are held")
        counters = follower.status()["counters"]
        equal(counters["changes_collapsed_group"], counters["changes_collapsed"], "no more than groups")
        follower.until_keys("kept:500")
        keys, entries = drained(follower, seen)
        expected = {f"call:{i % 5}:{i}" for i in range(20000)} | {f"dashboard:{i}" for i in range(5)}
        equal(missing(expected, keys, entries), [], "keys that nobody was told of")
        equal({entry["table"] for entry in entries}, {"calls"}, "tables that were resynced")
        check({f"kept:{i}" for i in range(1, 501)} <= keys, "changes of the outbox")
        generation = ctypes.c_uint64()
        LIB.check("trigperf_generation", follower.context, b"dashboard:{user_id}", ctypes.byref(generation))
        equal(generation.value, 2, "generation, raised by the first resync alone")


def attached(database, source):
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")
    database.sql(TABLE)
    if source == "wal":
        database.sql("alter table calls replica identity full")
    database.attach("public.calls", "--key", "user_id", "--key", "id", "--rule", "dashboard:{user_id}", "--rule",
                    "call:{id}", "--granularity", "wal" if source == "wal" else "statement")


def held(follower):
    status = follower.status()
    return status["counters"]["bytes"] + status.get("waiting_bytes", 0)


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def stops_reading(database, source, consumer):
    """A host that does not pull while far more is written than there is memory for."""
    count, most, rows, since = 60000, 0, -1, time.monotonic()
    attached(database, source)
    settings = {"source": source, "memory.max_bytes": 1 << 20, "batch.max_pending": 2}
    with Follower(database, consumer, **settings) as follower:
        follower.ready().until(lambda f: f.resyncs(), "the first resync")
        before = resident()
        database.sql(f"do $$ begin for n in 0..{count // 500 - 1} loop insert into calls select n * 500 + i, i % 7 "
                     "from generate_series(1, 500) i; commit; end loop; end $$")

        def stands_still():
            """Nothing more is read for a second, although there is more. Waiting would return at once, since batches wait."""
            nonlocal most, rows, since
            process(follower)
            status, most = follower.status(), max(most, held(follower))
            if status["rows"] != rows:
                rows, since = status["rows"], time.monotonic()
            return time.monotonic() - since > 1 and (status["lag_seconds"] or 0) > 0.9

        eventually(stands_still, "the end of reading", pause=0.002)
        applied = follower.status()["counters"]["changes"]
        check(max(rows, applied) < count / 2, f"reading did not stop: {rows} rows, {applied} changes")
        check(most < 1 << 20, f"{most} bytes were held")
        check(resident() - before < 10 << 20, f"grown by {resident() - before} bytes")
        equal(follower.status()["counters"]["changes_collapsed"], 0, "collapsed changes")
        eventually(lambda: process(follower) or (follower.status()["lag_bytes"] or 0) > 100000, "a lag in bytes")
        expected = {f"call:{i}" for i in range(1, count + 1)} | {f"dashboard:{i}" for i in range(7)}
        follower.until(lambda f: idle(f) and expected <= f.keys(), "everything")
        equal(follower.resyncs(), ["*"], "resyncs")
        eventually(lambda: follower.turn().status()["lag_bytes"] < 100000, "no lag any more")
        check(follower.status()["lag_seconds"] < harness.PATIENCE, "a lag in seconds")
        follower.close()


@test("outbox, durable: reading stops, nothing is lost")
def _(installed):
    stops_reading(installed, "outbox", "web")


@test("outbox, ephemeral: reading stops, nothing is lost")
def _(installed):
    stops_reading(installed, "outbox", "")


@test("wal, durable: reading stops, nothing is lost")
def _(installed):
    stops_reading(installed, "wal", "web")


@test("wal, ephemeral: reading stops, nothing is lost")
def _(installed):
    stops_reading(installed, "wal", "")


if __name__ == "__main__":
    harness.main()
