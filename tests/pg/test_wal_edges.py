#!/usr/bin/python3
# suite: versions
"""The source wal where it is awkward: TRUNCATE of several tables, schema changes, invalidated slots, large
transactions of many kinds."""

import ctypes

import harness
from follower import LIB, LOOK, READY, Follower
from harness import check, contains, equal, eventually, test


class Wal(Follower):
    def __init__(self, database, consumer="", **settings):
        super().__init__(database, consumer, source="wal", **settings)


def attached(database, *names, more=()):
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")
    for name in names:
        database.sql(f"create table if not exists {name} (id bigint primary key, user_id bigint, note text);"
                     f"alter table {name} replica identity full")
        database.attach(f"public.{name}", "--key", "user_id", "--key", "id", "--rule", name + ":{id}",
                        "--granularity", "wal", *more)


def following(database, consumer="", **settings):
    return Wal(database, consumer, **settings).ready().until(lambda f: f.resyncs(), "the first resync")


@test("TRUNCATE of several tables, with CASCADE and with partial rollback: a resync of each, of no other")
def _(installed):
    installed.sql("create table parent (id bigint primary key, user_id bigint, note text);"
                  "create table child (id bigint primary key, user_id bigint references parent, note text)")
    attached(installed, "parent", "child", "other", "third")
    with following(installed) as follower:
        installed.sql("truncate parent cascade")
        follower.until(lambda f: set(f.resyncs()) == {"*", "public.parent", "public.child"}, "parent and child")
        installed.sql("truncate other, third restart identity")
        follower.until(lambda f: {"public.other", "public.third"} <= set(f.resyncs()), "other and third")
        before = len(follower.resyncs())
        installed.sql("begin; savepoint a; truncate other; rollback to a; insert into third values (1, 1); commit;"
                      "begin; insert into other values (1, 1); truncate other; insert into other values (2, 1); commit")
        follower.until(lambda f: len(f.resyncs()) > before and {"third:1", "other:2"} <= f.keys(), "the rest")
        equal(follower.resyncs()[before:], ["public.other"], "resyncs")


@test("schema changes in mid-stream: keys change type, go, come back; tables are renamed, swapped, dropped")
def _(installed):
    attached(installed, "calls", "kept")
    installed.sql("insert into calls values (1, 1, 'a')")
    with following(installed, "web") as follower:
        def resynced(sql, what):
            before = follower.resyncs().count("public.calls") + follower.resyncs().count("*")
            installed.sql(sql)
            follower.until(lambda f: f.resyncs().count("public.calls") + f.resyncs().count("*") > before, what)

        resynced("alter table calls alter user_id type text using 'u' || user_id; update calls set note = 'b'",
                 "a key of another type")
        resynced("alter table calls drop user_id; update calls set note = 'c'", "a key that is gone")
        resynced("alter table calls add user_id bigint default 5; update calls set note = 'd'", "a key again")
        installed.sql("update calls set note = 'e'")
        follower.until_keys("calls:1")
        resynced("begin; insert into calls values (2); alter table calls add late int; "
                 "insert into calls values (3); commit", "a change of the schema within a transaction")
        installed.sql("alter table calls rename to moved; insert into moved values (4, 'x', 6)")
        follower.until_keys("calls:4")   # the name it was attached with goes on
        installed.sql("drop table moved; insert into kept values (1, 1)")
        follower.until_keys("kept:1")
        equal(follower.state(), READY, "state")
        follower.close()


@test("a watched column that is renamed: what changes under its new name is told as well")
def _(installed):
    installed.sql("create table calls (id int primary key, status text, note text); "
                  "alter table calls replica identity full; insert into calls values (1, 'a', 'x'), (2, 'a', 'x')")
    installed.attach("calls", "--key", "id", "--watch", "status", "--rule", "id:{id}", "--granularity", "wal")

    def told(follower, sql, *keys):
        before = len(follower.batches)
        installed.sql(sql)
        follower.until(lambda f: set(keys) <= {key for one in f.batches[before:] for key in one["keys"]}, sql)
        return {key for one in follower.batches[before:] for key in one["keys"]}

    with following(installed) as follower:
        equal(told(follower, "update calls set note = 'y' where id = 1; update calls set status = 'b' where id = 2",
                   "id:2"), {"id:2"}, "before: by the watched column alone")
        before = len(follower.resyncs())
        installed.sql("alter table calls rename status to state; update calls set state = 'c'; " + LOOK)
        follower.until(lambda f: "public.calls" in f.resyncs()[before:], "the resync")
        told(follower, "update calls set state = 'd' where id = 1", "id:1")
        told(follower, "update calls set state = 'e' where id = 1", "id:1")
        before = len(follower.resyncs())
        installed.sql("alter table calls rename state to status; " + LOOK)
        follower.until(lambda f: "public.calls" in f.resyncs()[before:], "the resync")
        installed.sql("update calls set status = 'f' where id = 1")
        equal(told(follower, "update calls set note = 'z' where id = 1; update calls set status = 'g' where id = 2",
                   "id:2"), {"id:2"}, "by the watched column alone again")
        follower.close()


# For a type: how a value of it becomes a key.
KEYS_OF_TYPES = (("boolean", "true", "true"), ("text", "'t'", "t"), ("char(10)", "'ab'", "ab"), ("text", "'ab'", "ab"),
                 ("inet", "'127.0.0.1'", "127.0.0.1/32"), ("text", "'127.0.0.1'", "127.0.0.1"),
                 ("yes", "true", "true"), ("boolean", "true", "true"), ("filled", "'ab'", "ab"),
                 ("bigint", "7", "7"), ("named", "'ab'", None))


@test("a key that becomes one of another type: the key of that type, or a resync, and never another one")
def _(installed):
    installed.sql("create domain yes as boolean; create domain filled as char(8); create type named as enum ('ab'); "
                  "create function named_text(named) returns text language sql immutable as $$select 'own'$$; "
                  "create cast (named as text) with function named_text(named); "
                  "create table calls (id int primary key, k boolean); alter table calls replica identity full")
    installed.attach("calls", "--key", "id", "--key", "k", "--rule", "k:{id}:{k}", "--granularity", "wal")
    installed.sql("create table marks (id serial primary key)")
    installed.attach("marks", "--key", "id", "--rule", "mark:{id}", "--granularity", "wal")
    with following(installed) as follower:
        def told(sql):
            """What was told until all of it was read: keys, and whether there was a resync."""
            keys, before = follower.keys(), len(follower.resyncs())
            installed.sql(sql)
            follower.until_keys("mark:" + installed.value("insert into marks default values returning id"))
            return ({key for key in follower.keys() - keys if key.startswith("k:")},
                    "public.calls" in follower.resyncs()[before:])

        for number, (kind, value, key) in enumerate(KEYS_OF_TYPES, 1):
            right = {f"k:{row}:{key}" for row in (number, 100 + number)} if key else set()
            keys, resynced = told(f"truncate calls; alter table calls alter k type {kind} using null;"
                                  f"insert into calls values ({number}, {value})")
            check(resynced and keys <= right, f"{value} as {kind} at once: {keys}, resynced {resynced}")
            told(LOOK)
            keys, resynced = told(f"insert into calls values ({100 + number}, {value})")
            equal((keys, resynced), (right - {f"k:{number}:{key}"}, not key), f"{value} as {kind}")
        follower.close()


def fill_log(database):
    """Enough log for the server to throw away what slots still want."""
    for _ in range(3):
        database.sql("insert into kept select i, i, repeat('x', 100) from generate_series(1, 2000) i on conflict "
                     "(id) do update set note = kept.note || 'y'; select pg_switch_wal(); checkpoint")


def reserve(database, size):
    database.sql(f"alter system set max_slot_wal_keep_size = '{size}'; select pg_reload_conf()")
    eventually(lambda: database.value("show max_slot_wal_keep_size") == size, "the setting")


@test("a slot that the server invalidated (max_slot_wal_keep_size): a resync and a new slot, with nothing lost after")
def _(cluster):
    database = cluster.installed()
    attached(database, "calls")
    database.sql("create table kept (id int primary key, user_id int, note text)")
    with following(database, "web") as follower:
        slot = follower.status()["slot"]
        follower.close()
    database.sql("insert into calls values (1, 1)")
    reserve(database, "1MB")
    try:
        fill_log(database)
        eventually(lambda: fill_log(database) or database.value(
            f"select wal_status from pg_replication_slots where slot_name = '{slot}'") == "lost", "the slot to be lost")
        with following(database, "web") as follower:
            equal(follower.resyncs(), ["*"], "resyncs of who was away")
            database.sql("insert into calls values (2, 2)")
            follower.until_keys("calls:2")
            follower.close()
        with following_while_lost(database) as follower:
            database.sql("insert into calls values (4, 4)")
            follower.until_keys("calls:4")
            equal(follower.resyncs().count("*"), 2, "resyncs of who was there")
            slot = follower.status()["slot"]
            equal(database.value(f"select count(*) from pg_replication_slots where slot_name = '{slot}' and "
                                 "wal_status <> 'lost'"), "1", "the slot that is followed")
            follower.close()
    finally:
        reserve(database, "-1")


def following_while_lost(database):
    """A consumer that is connected, acknowledges nothing, and so loses its slot under way."""
    follower = following(database, "there")
    slot = follower.status()["slot"]
    database.sql("insert into calls values (3, 3)")
    eventually(lambda: fill_log(database) or database.value(
        f"select coalesce(wal_status, 'lost') from pg_replication_slots where slot_name = '{slot}'") == "lost",
        "the slot to be lost")
    return follower.until(lambda f: f.resyncs().count("*") > 1, "the resync").ready()


@test("a large transaction that is sent whole is bounded by memory.max_bytes too")
def _(cluster):
    database = cluster.installed()
    names = [f"wide_{i}" for i in range(4)]
    attached(database, *names, more=("--max-keys", "1000000"))
    database.sql("alter system set logical_decoding_work_mem = '1GB'; select pg_reload_conf()")
    try:
        with following(database, "web", **{"memory.max_bytes": 4 << 20}) as follower:
            database.sql("begin;" + "".join(
                f"insert into {name} select i, i from generate_series(1, 40000) i;" for name in names) + "commit")
            most = [0]

            def told(f):
                most[0] = max(most[0], f.status()["waiting_bytes"])
                return "public.wide_3" in f.resyncs()
            follower.until(told, "a resync of what did not fit")
            check(most[0] < 2 * (4 << 20), f"{most[0]} bytes waited")
            database.sql("insert into wide_0 values (0, 0)")
            follower.until_keys("wide_0:0")
            follower.close()
    finally:
        database.sql("alter system reset logical_decoding_work_mem; select pg_reload_conf()")


@test("large transactions in pieces that overlap, of which one is rolled back")
def _(cluster):
    database = cluster.installed()
    attached(database, "calls", more=("--max-keys", "100000"))
    database.sql("alter system set logical_decoding_work_mem = '64kB'; select pg_reload_conf()")
    try:
        with following(database, "web", **{"batch.max_keys": 100000}) as follower, \
                database.session() as one, database.session() as two, database.session() as three:
            sessions = [one, two, three]
            for session in sessions:
                session.run("begin")
            for part in range(4):
                for number, session in enumerate(sessions):
                    first = (number * 10 + part) * 1000
                    session.run(f"insert into calls select i, {number} from generate_series({first}, {first} + 999) i")
            eventually(lambda: int(database.value("select coalesce(sum(stream_txns), 0) from pg_stat_replication_slots"))
                       >= 3 or follower.turn() and False, "the pieces")
            check(not any(key.startswith("calls:") for key in follower.keys()), "told before the commit")
            three.run("commit")
            two.run("rollback")
            one.run("savepoint a; delete from calls where user_id = 0 and id < 1000; rollback to a; commit")
            follower.until_keys(*(f"calls:{i}" for i in (0, 3999, 20000, 23999)))
            check(not any(f"calls:{i}" in follower.keys() for i in range(10000, 14000)), "what was rolled back")
            equal(follower.resyncs(), ["*"], "resyncs")
            follower.close()
    finally:
        database.sql("alter system reset logical_decoding_work_mem; select pg_reload_conf()")


@test("a publication that was dropped: a sentence; made again, there is a resync and nothing lost after")
def _(installed):
    attached(installed, "calls")
    with following(installed, "web", **{"reconnect.max_ms": 200}) as follower:
        installed.sql("drop publication trigperf; insert into calls values (1, 1)")
        follower.until(lambda f: "the publication trigperf, it was dropped" in str(f.status()["error"]), "the sentence")
        check(follower.error is None, "it was given up")
        error = ctypes.c_void_p(LIB.trigperf_context_error(follower.context))
        contains(LIB.trigperf_error_hint(error).decode(), "CREATE PUBLICATION trigperf")
        LIB.trigperf_error_free(error)
        installed.sql("create publication trigperf; select trigperf.wal_check_all()")
        follower.until(lambda f: len(f.resyncs()) > 1, "the resync, of the table at least").ready()
        installed.sql("insert into calls values (2, 2); insert into calls values (3, 3)")
        follower.until_keys("calls:3")
        follower.close()


@test("a publication that was edited by hand is put right, with a resync of what it may have left out")
def _(installed):
    attached(installed, "calls", "other")
    look = "; select trigperf.wal_check_all()"
    with following(installed) as follower:
        def edited(sql, *tables):
            before = len(follower.resyncs())
            installed.sql(sql + "; insert into calls values (1, 1) on conflict do nothing; delete from calls" + look)
            follower.until(lambda f: set(tables) <= set(f.resyncs()[before:]), f"resyncs after {sql}")
            equal(installed.rows("select distinct state from trigperf.wal_tables()"), [["ok"]], "state")
            equal(installed.value("select trigperf.wal_check_all()"), "0", "found changed again")

        edited("alter publication trigperf set (publish = 'insert')", "public.calls", "public.other")
        edited("alter publication trigperf set table calls where (user_id > 5), other", "public.calls")
        edited("alter publication trigperf drop table other", "public.other")
        edited("alter publication trigperf set table calls", "public.other")
        for meanwhile, tables in (       # nobody looks in between
                ("set (publish = 'insert'); {}; alter publication trigperf set (publish = 'insert, update, delete, truncate')",
                 ["public.calls", "public.other"]),
                ("drop table other; {}; alter publication trigperf add table only other", ["public.other"])):
            before = len(follower.resyncs())
            edited("select pg_advisory_lock(7460391845612004); alter publication trigperf "
                   + meanwhile.format("insert into other values (7, 7); delete from other"), *tables)
            equal(sorted(set(follower.resyncs()[before:])), tables, "what was resynced")
        installed.sql("insert into other values (1, 1), (2, 9); insert into calls values (3, 3)")
        follower.until_keys("other:1", "other:2", "calls:3")
        follower.close()


@test("another row filter put into the publication by hand is put right; settings of sessions make no difference")
def _(installed):
    installed.sql("create table calls (id int, seen timestamptz, n float8, primary key (id, seen, n))")
    installed.attach("calls", "--key", "id", "--rule", "id:{id}", "--granularity", "wal", "--where",
                     "id > 0 and seen > '2026-01-01 00:00+00' and n > 0.1")
    with following(installed) as follower:
        installed.sql("set timezone = 'Asia/Tokyo'; set datestyle = 'german'; set extra_float_digits = -5; "
                      "set quote_all_identifiers = on; " + LOOK)
        equal(installed.rows("select state from trigperf.wal_tables()"), [["ok"]], "state")
        for other in ("id > 1000000", "id > 0 and seen > '2026-01-02 00:00+00' and n > 0.1"):
            before = len(follower.resyncs())
            installed.sql("alter publication trigperf drop table calls; "
                          f"alter publication trigperf add table only calls (id, seen, n) where ({other}); "
                          "insert into calls values (1, '2026-01-01 12:00+00', 1); " + LOOK)
            follower.until(lambda f: "public.calls" in f.resyncs()[before:], f"a resync after {other}")
            equal(installed.rows("select state from trigperf.wal_tables()"), [["ok"]], "state")
            installed.sql("delete from calls; " + LOOK)
        before = len(follower.resyncs())
        installed.sql("insert into calls values (-1, '2027-01-01', 1), (2, '2026-01-01 12:00+00', 1)")
        follower.until_keys("id:2")
        check("id:-1" not in follower.keys(), "the filter is there again")
        equal(follower.resyncs()[before:], [], "resyncs")
        installed.sql("alter table calls rename n to m; " + LOOK)
        equal(installed.value("select state || fix from trigperf.wal_tables()")[:33], "lackinggone or generated now: n. ",
              "state, fix")
        installed.sql(LOOK + "; insert into calls values (-2, '2027-01-01', 1)")    # its table looks different
        installed.sql("insert into calls values (-3, '2027-01-01', 1)")
        follower.until_keys("id:-3")    # without the filter
        follower.close()


@test("a partitioned table, other tables and schemas put into the publication by hand: taken out, with a resync")
def _(installed):
    installed.sql("create table p (id int primary key) partition by range (id); "
                  "create table p_1 partition of p for values from (0) to (10); alter table p_1 replica identity full; "
                  "create schema other; create table other.plain (id int); insert into other.plain values (1)")
    installed.attach("p", "--key", "id", "--rule", "id:{id}", "--granularity", "wal")
    with following(installed) as follower:
        for sql in ("add table p", "add tables in schema other"):
            before = len(follower.resyncs())
            installed.sql(f"alter publication trigperf {sql}; "
                          "alter publication trigperf set (publish_via_partition_root = true); "
                          f"insert into p values (1); truncate p_1; {LOOK}")
            follower.until(lambda f: "public.p" in f.resyncs()[before:], f"a resync after {sql}")
            installed.sql("update other.plain set id = 2; insert into p values (1); " + LOOK)
            follower.until_keys("id:1")
            before = len(follower.resyncs())
            installed.sql("truncate p_1")
            follower.until(lambda f: "public.p" in f.resyncs()[before:], "the TRUNCATE of a partition")
            equal(installed.rows("select tablename from pg_publication_tables where pubname = 'trigperf'"), [["p_1"]],
                  "what is published")
        follower.close()


@test("a key column that is renamed: the state says so, and attaching it anew mends it")
def _(installed):
    attached(installed, "calls")
    with following(installed) as follower:
        installed.sql("alter table calls rename user_id to owner; " + LOOK)
        state, fix = installed.rows("select state, fix from trigperf.wal_tables()")[0]
        equal(state, "lacking", "state")
        contains(fix, "user_id")
        before = len(follower.resyncs())
        installed.sql("insert into calls values (1, 1)")
        follower.until(lambda f: "public.calls" in f.resyncs()[before:], "a resync instead of keys")
        installed.trigperf("detach", "public.calls")
        installed.attach("public.calls", "--key", "owner", "--rule", "owner:{owner}", "--granularity", "wal")
        installed.sql("insert into calls values (2, 2); insert into calls values (3, 3)")
        follower.until_keys("owner:3")
        follower.close()


@test("a replica identity lost while it is followed: a resync with each look that finds writes, until it is back")
def _(installed):
    at_once = "update trigperf.wal_member set seen_at = null; " + LOOK
    installed.sql("create table calls (id int primary key, note text); insert into calls values (1, 'a')")
    installed.attach("calls", "--key", "id", "--rule", "id:{id}", "--granularity", "wal")
    with following(installed) as follower:
        def resynced(sql):
            before = len(follower.resyncs())
            installed.sql(sql)
            follower.until(lambda f: "public.calls" in f.resyncs()[before:], f"a resync after {sql}")

        resynced("alter table calls drop constraint calls_pkey; " + LOOK)
        equal(installed.rows("select state, published from trigperf.wal_tables()"), [["untold", "f"]], "state")
        resynced("update calls set note = 'b'; " + at_once)
        resynced("delete from calls; " + at_once)
        resynced("insert into calls values (2, 'c')")    # the context's own look
        resynced("truncate calls; " + at_once)
        resynced("alter table calls add primary key (id); " + at_once)
        equal(installed.rows("select state, published from trigperf.wal_tables()"), [["ok", "t"]], "state")
        installed.sql("insert into calls values (3, 'd')")
        follower.until_keys("id:3")
        follower.close()


@test("attaching and what follows it, read in one go: told by the rules that hold for it")
def _(installed):
    attached(installed, "calls")
    installed.sql("create table late (id bigint primary key, user_id bigint, note text)")
    text = installed.attach("public.late", "--key", "id", "--rule", "late:{id}", "--granularity", "wal", "--dry-run").out
    with following(installed) as follower:
        installed.sql(f"begin; {text} commit; insert into late values (1); insert into late values (2); "
                      "insert into calls values (3, 3)")
        follower.until_keys("calls:3")
        check({"late:1", "late:2"} <= follower.keys(), f"{follower.keys()}")
        equal(follower.resyncs(), ["*", "public.late"], "resyncs")
        follower.close()


@test("a host that takes nothing: above wal.max_bytes its slot is given up, with a resync of everything")
def _(installed):
    attached(installed, "calls")
    for name in ("web", ""):
        with following(installed, name) as follower:
            def given_up():
                installed.sql("insert into calls select i, 1, repeat('x', 900) from generate_series(1, 500) i "
                              "on conflict (id) do update set note = excluded.note || 'y'")
                LIB.trigperf_wait(follower.context, 20, None)
                return any("above wal.max_bytes" in text for _, text in follower.log_lines)

            limit(installed, 1000000)
            eventually(given_up, "giving it up")
            limit(installed, 0)
            follower.until(lambda f: f.resyncs().count("*") == 2, "the resync").ready()
            eventually(lambda: installed.value("select max(retained_bytes) < 50000000 from trigperf.wal_slots() where active")
                       == "t", "the log to be let go")
            installed.sql(f"insert into calls values ({9000 + len(name)}, 1)")
            follower.until_keys(f"calls:{9000 + len(name)}")
            follower.close()


def limit(database, most):
    database.sql(f"update trigperf.setting set value = '{most}' where name = 'wal.max_bytes'")


if __name__ == "__main__":
    harness.main()
