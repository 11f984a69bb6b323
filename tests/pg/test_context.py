#!/usr/bin/python3
# suite: versions
"""Contexts against a real server: continuity, reconnecting, the notifier, rotation, backpressure."""

import ctypes
import threading

import harness
from follower import AGAIN, FAILED, LIB, READY, SUPERSEDED, Follower, turn_all
from harness import attempts, check, contains, equal, eventually, test

TABLE = "create table calls (id bigint primary key, user_id bigint, note text)"


def attached(database, *more):
    database.sql(TABLE)
    database.attach("public.calls", "--key", "user_id", "--key", "id", "--rule",
                    "dashboard:{user_id}", "--rule", "call:{id}", "--granularity", "statement",
                    *more)


def backends(database):
    return database.value("select count(*) from pg_stat_activity where application_name = 'trigperf'"
                          " and datname = current_database()")


def cut(database):
    return database.value("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
                          "application_name = 'trigperf' and datname = current_database()")


@test("a durable consumer continues where it acknowledged, without a resync")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as first:
        first.until(lambda f: f.resyncs(), "the first resync").ready()
        installed.sql("insert into calls values (1, 7)")
        first.until_keys("call:1", "dashboard:7")
        first.close()
    installed.sql("insert into calls values (2, 8)")
    with Follower(installed, "web") as second:
        second.until_keys("call:2", "dashboard:8")
        equal(second.resyncs(), [], "resyncs of the second run")
        check("call:1" not in second.keys(), "call:1 was acknowledged before")


@test("what was not acknowledged comes again; the first resync too")
def _(installed):
    attached(installed)
    follower = Follower(installed, "web")
    eventually(lambda: follower_waits(follower), "a batch that nobody pulls")
    follower.free()
    with Follower(installed, "web") as again:
        again.until(lambda f: f.resyncs() == ["*"], "the resync once more")


def follower_waits(follower):
    LIB.trigperf_wait(follower.context, 20, None)
    return follower.status()["counters"]["pending_batches"] > 0


@test("a broken connection is made anew: nothing lost, no resync")
def _(installed):
    attached(installed)
    for name in ("web", ""):
        with Follower(installed, name) as follower:
            follower.ready().until(lambda f: f.resyncs(), "the first resync")
            base = 1000 if name else 2000
            for i in range(10):
                installed.sql(f"insert into calls values ({base + i}, {i})")
                if i % 3 == 0:
                    cut(installed)
                follower.turn(1)
            follower.until_keys(*(f"call:{base + i}" for i in range(10)))
            equal(follower.resyncs(), ["*"], "resyncs")
            check(follower.status()["reconnects"] > 0, "no reconnect was counted")
            follower.close()


@test("a crash of the server is another incarnation: everything is resynced, nothing lost")
def _(cluster):
    database = cluster.installed()
    attached(database)
    with Follower(database, "web") as durable, Follower(database) as ephemeral:
        both = [durable, ephemeral]
        turn_all(both, lambda: all(f.state() == 2 and f.resyncs() for f in both), "ready")
        database.sql("insert into calls values (1, 7)")
        turn_all(both, lambda: all("call:1" in f.keys() for f in both), "the first change")
        cluster.halt("immediate")
        turn_all(both, lambda: all(f.state() == 3 for f in both), "noticing")
        cluster.resume()
        database.sql("insert into calls values (2, 7)")
        turn_all(both, lambda: all(f.resyncs() == ["*", "*"] for f in both), "the resync")
        database.sql("insert into calls values (3, 7)")
        turn_all(both, lambda: all("call:3" in f.keys() for f in both), "a change afterwards")
        durable.close()
        ephemeral.close()


@test("a clean restart of the server needs no resync")
def _(cluster):
    database = cluster.installed()
    attached(database)
    with Follower(database, "web") as follower:
        follower.ready().until(lambda f: f.resyncs(), "the first resync")
        cluster.halt("fast")
        follower.until(lambda f: f.state() == 3, "noticing")
        cluster.resume()
        database.sql("insert into calls values (5, 7)")
        follower.until_keys("call:5")
        equal(follower.resyncs(), ["*"], "resyncs")
        follower.close()


@test("the newest claimant of a name wins; the other is told, and can claim it back")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as old:
        old.ready().until(lambda f: f.resyncs(), "the first resync")
        with Follower(installed, "web") as new:
            new.ready()
            installed.sql("insert into calls values (1, 7)")
            turn_all([old, new], lambda: old.error is not None, "being superseded")
            equal(old.error.status, SUPERSEDED, "status of the superseded context")
            contains(old.error.message, "web")
            equal(old.state(), FAILED, "state")
            new.until_keys("call:1")
            new.close()
        LIB.check("trigperf_context_retry", old.context)
        old.error = None
        installed.sql("insert into calls values (2, 7)")
        old.until_keys("call:2")
        equal(old.resyncs(), ["*", "*"], "what the other one was told is unknown: a resync")
        old.close()


@test("who is superseded learns it at once, also while nothing happens")
def _(installed):
    attached(installed)

    def learns(name):
        with Follower(installed, name) as old, Follower(installed, name + "-2") as other:
            turn_all([old, other], lambda: old.resyncs() and other.resyncs(), "the first resyncs")
            with Follower(installed, name) as new:
                new.ready()
                old.until(lambda f: f.error is not None, "being superseded", timeout=7)     # the next store: after 10 s
                equal(old.error.status, SUPERSEDED, "status of the superseded context")
                equal((other.turn(100).error, new.turn(100).error), (None, None), "errors of the others")

    for name in ("web", 'o"d\\d', "long" * 50):
        attempts([name + at * "x" for at in range(4)], learns)


@test("a process that lost its connection does not take its name back from a newer one")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as old:
        old.ready().until(lambda f: f.resyncs(), "the first resync")
        cut(installed)
        with Follower(installed, "web") as new:
            new.ready()
            old.until(lambda f: f.error is not None, "being superseded")
            equal(old.error.status, SUPERSEDED, "status of the older one")
            installed.sql("insert into calls values (1, 7)")
            new.until_keys("call:1")
            new.close()


@test("one context polls for all; when it dies another does")
def _(installed):
    attached(installed)
    followers = [Follower(installed) for _ in range(5)]
    try:
        turn_all(followers, lambda: all(f.state() == 2 for f in followers), "all ready")
        turn_all(followers, lambda: sum(f.status()["notifier"] for f in followers) == 1,
                 "one leader")
        turn_all(followers, lambda: hear(installed, followers), "announcements")
        leader = next(f for f in followers if f.status()["notifier"])
        followers.remove(leader)
        leader.free()
        installed.sql("insert into calls values (77, 1)")
        turn_all(followers, lambda: all("call:77" in f.keys() for f in followers), "polling")
        turn_all(followers, lambda: sum(f.status()["notifier"] for f in followers) == 1,
                 "another leader")
        installed.sql("insert into calls values (78, 1)")
        turn_all(followers, lambda: all("call:78" in f.keys() for f in followers), "the new leader")
    finally:
        for follower in followers:
            follower.free()


def hear(database, followers):
    """Every follower but the leader has taken rows from an announcement."""
    database.sql("insert into calls select coalesce(max(id), 0) + 1, 1 from calls")
    for follower in followers:
        follower.turn(5)
    told = [f.status()["announcements"] > 0 for f in followers if not f.status()["notifier"]]
    return all(told) and len(told) == len(followers) - 1


@test("a consumer dropped under a running leader: it starts over, followers miss nothing")
def _(installed):
    attached(installed)
    leader = Follower(installed, "leader", **{"batch.window_ms": 0})
    try:
        leader.ready().until(lambda f: f.status()["notifier"], "leading")
        with Follower(installed, "durable") as durable, Follower(installed) as ephemeral:
            others = [durable, ephemeral]
            turn_all([leader, *others], lambda: all(f.state() == 2 and f.resyncs() for f in others),
                     "ready")
            stop, count = threading.Event(), [0]

            def write():
                with installed.session() as session:
                    while not stop.is_set():
                        count[0] += 1
                        session.run(f"insert into calls values ({count[0]}, 1)")

            writers = [threading.Thread(target=write)]
            writers[0].start()
            for _ in range(8):
                for _ in range(20):
                    turn_all([leader, *others], lambda: True, "")
                    for follower in (leader, *others):
                        follower.turn(2)
                installed.value("select trigperf.consumer_drop('leader')")
            stop.set()
            writers[0].join()
            expected = {f"call:{i}" for i in range(1, count[0] + 1)}
            turn_all([leader, *others], lambda: all(expected <= f.keys() for f in others),
                     "everything at the followers")
            equal([f.resyncs() for f in others], [["*"], ["*"]], "resyncs of the followers")
            leader.until(lambda f: len(f.resyncs()) > 1, "starting over with a resync")
            leader.until(lambda f: f.state() == 2 and installed.value(
                "select count(*) from trigperf.consumer where name = 'leader'") == "1", "settling")
            installed.sql("insert into calls values (999999, 1)")
            leader.until_keys("call:999999")
    finally:
        leader.free()


@test("a resync that was dropped unread comes again with the next connection")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as follower:
        eventually(lambda: follower_waits(follower), "the first resync")
        LIB.trigperf_batch_free(LIB.made("trigperf_batch_next", follower.context))
        cut(installed)
        follower.until(lambda f: f.resyncs() == ["*"], "the resync again")
        follower.close()


@test("detaching: who had not read all changes is told to resync, others are not")
def _(installed):
    attached(installed)
    for late in (True, False):
        with Follower(installed, "web") as follower:
            follower.until(lambda f: f.resyncs() or not late, "the first resync").ready().close()
        if late:
            installed.sql("insert into calls values (1, 7)")
        installed.trigperf("detach", "public.calls")
        with Follower(installed, "web") as follower:
            follower.ready()
            for _ in range(10):
                follower.turn()
            equal(follower.resyncs(), ["*"] if late else [], f"resyncs, late: {late}")
            installed.attach("public.calls", "--key", "id", "--rule", "call:{id}")
            follower.until(lambda f: "public.calls" in f.resyncs(), "the resync of attaching")
            follower.close()


@test("a large transaction, and many small ones while some are held open, arrive whole")
def _(installed):
    attached(installed)
    with Follower(installed, "web", **{"batch.max_keys": 500}) as follower:
        follower.ready()
        held = [installed.session() for _ in range(3)]
        for n, session in enumerate(held):
            session.run(f"begin; insert into calls values ({9000 + n}, 1)")
        installed.sql("begin; " + "".join(
            f"insert into calls values ({i}, {i % 10});" for i in range(1, 1201)) + "commit;")
        installed.sql("".join(f"insert into calls values ({i}, 3);" for i in range(2000, 2700)))
        expected = {f"call:{i}" for i in list(range(1, 1201)) + list(range(2000, 2700))}
        follower.until(lambda f: expected <= f.keys(), "the committed ones")
        check(not any(f"call:{9000 + n}" in follower.keys() for n in range(3)),
              "an open transaction was delivered")
        held[0].run("rollback")
        for session in held[1:]:
            session.run("commit")
        follower.until_keys("call:9001", "call:9002")
        check("call:9000" not in follower.keys(), "a rolled back transaction was delivered")
        for session in held:
            session.close()
        follower.close()


@test("a backlog of thin and of fat rows, to a slow host: pages follow, each row is read once")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as follower:
        follower.ready().until(lambda f: f.resyncs(), "the first resync").close()
    count = "select count(*) from trigperf.outbox"
    before = int(installed.value(count))
    held = installed.session()
    held.run("begin; insert into calls values (900001, 1)")
    installed.sql("".join(f"insert into calls values ({i}, {i % 7});" for i in range(1500)))
    installed.sql("".join(f"insert into calls select i, i from generate_series({i}, {i + 899}) i;"
                          for i in range(10_000, 37_000, 900)))
    installed.sql("".join(f"insert into calls values ({i}, {i % 7});" for i in range(2000, 2400)))
    rows = int(installed.value(count)) - before
    expected = {f"call:{i}" for i in (*range(1500), *range(10_000, 37_000), *range(2000, 2400))}
    with Follower(installed, "web", **{"batch.max_pending": 2, "batch.max_keys": 40}) as follower:
        calls = set()

        def arrived(follower):
            calls.update(key for batch in follower.batches for key in batch["keys"])
            follower.batches.clear()
            return expected <= calls

        follower.until(arrived, "the backlog")
        equal(follower.status()["rows"], rows, "rows read")
        check("call:900001" not in calls, "an open transaction was delivered")
        held.run("commit")
        follower.until_keys("call:900001")
        follower.close()
    held.close()


@test("a table attached while a context runs is read with its keys; a detached one no more")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as follower:
        follower.ready()
        installed.sql("create table users (uid uuid primary key, name text)")
        installed.attach("public.users", "--key", "uid", "--key", "name", "--rule", "user:{uid}")
        uid = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
        installed.sql(f"insert into users values ('{uid}', 'a,\"b\"')")
        follower.until_keys(f"user:{uid}")
        change = next(c for b in follower.batches for c in b["changes"])
        equal(change["keys"], {"uid": uid, "name": 'a,"b"'}, "keys of the change")
        installed.trigperf("rules", "add", "public.users", "name:{name}")
        installed.sql("update users set name = 'c'")
        follower.until_keys("name:c", 'name:a,"b"')
        installed.trigperf("detach", "public.users")
        installed.sql("insert into users values (gen_random_uuid(), 'gone')")
        installed.sql("insert into calls values (1, 7)")
        follower.until_keys("call:1")
        check("name:gone" not in follower.keys(), "a detached table was delivered")
        follower.close()


WAITS = {"batch.window_ms": 60000, "batch.fresh_ms": 60000}


@test("wait_position on the processing thread: read your writes")
def _(installed):
    attached(installed)
    with Follower(installed, "web", **WAITS) as follower:
        follower.ready()
        for n, position in enumerate(("xid", "lsn", None)):
            xid, _ = installed.rows(f"with w as (insert into calls values ({n + 1}, 7) returning 1) "
                                    "select pg_current_xact_id()::text, count(*) from w")[0]
            lsn = installed.value("select pg_current_wal_insert_lsn()::text")
            wanted = {"xid": xid.encode(), "lsn": lsn.encode(), None: None}[position]
            wait_position(follower, wanted)
            check(f"call:{n + 1}" in follower.keys(), f"position {position} returned too early")
        for malformed in (b"soon", b"", b"-1", b"1:1:", b"99999999999999999999999"):
            LIB.fails(-2, "trigperf_wait_position", follower.context, malformed, 10)
        xid = installed.value("select pg_current_xact_id()::text")
        wait_position(follower, xid.encode())
        far = str(int(xid) + 1000000).encode()
        LIB.fails(-8, "trigperf_wait_position", follower.context, far, 100)
        follower.close()


def wait_position(follower, position):
    while True:
        status = LIB.trigperf_wait_position(follower.context, position, 120000, None)
        if status != AGAIN:
            equal(status, 0, "status of wait_position")
            return
        follower.take()


@test("wait_position on another thread, while the library's thread processes")
def _(installed):
    attached(installed)
    with Follower(installed, "web", **WAITS) as follower:
        LIB.check("trigperf_thread_start", follower.context)
        stop = threading.Event()

        def pull():
            while not stop.is_set():
                LIB.trigperf_wait(follower.context, 50, None)
                follower.take()

        puller = threading.Thread(target=pull)
        puller.start()
        try:
            harness.eventually(lambda: follower.state() == 2, "becoming ready")
            for n in range(5):
                installed.sql(f"insert into calls values ({n}, 7)")
                equal(LIB.trigperf_wait_position(follower.context, None, 120000, None), 0, "status")
                check(f"call:{n}" in follower.keys(), "it returned too early")
        finally:
            stop.set()
            puller.join()
        LIB.check("trigperf_thread_stop", follower.context)
        follower.close()


@test("a host that does not pull: memory stays bounded, and nothing is lost")
def _(installed):
    attached(installed)
    settings = {"batch.max_pending": 4, "memory.max_bytes": 4000000, "batch.window_ms": 1}
    with Follower(installed, "web", **settings) as follower:
        follower.ready().until(lambda f: f.resyncs(), "the first resync")
        for start in range(0, 6000, 500):
            installed.sql(f"insert into calls select i, i from generate_series({start}, "
                          f"{start + 499}) i")
            LIB.trigperf_wait(follower.context, 1, None)
        for _ in range(100):
            LIB.trigperf_wait(follower.context, 5, None)
        counters = follower.status()["counters"]
        check(counters["bytes"] < 4000000, f"{counters['bytes']} bytes are held")
        expected = {f"call:{i}" for i in range(6000)}
        follower.until(lambda f: expected <= f.keys() or "public.calls" in f.resyncs(),
                       "everything in the end")
        equal(follower.resyncs(), ["*"], "durable sources need no resync")
        follower.close()


BURN = """create table if not exists burn (i int);
do $$ begin for i in 1..140000 loop
  begin insert into burn values (1); exception when others then null; end;
end loop; end $$; truncate burn"""


def rotated(database):
    return int(database.value("select count(*) from trigperf.outbox_slot "
                              "where truncated_at is not null"))


@test("rotation: passed partitions are truncated, never while somebody holds a lock or lags")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as follower:
        follower.ready()
        installed.sql("insert into calls select i, i from generate_series(1, 100) i")
        follower.until_keys("call:100")
        installed.sql(BURN)
        installed.sql("insert into calls values (1000, 1)")
        with installed.session() as dump:
            dump.run("begin; select count(*) from trigperf.outbox")
            follower.until_keys("call:1000")
            for _ in range(30):
                follower.turn(100)
            equal(rotated(installed), 0, "truncations under a reader's lock")
            installed.sql("insert into calls values (1001, 1)")
            follower.until_keys("call:1001")
            dump.run("commit")
        follower.until(lambda _: rotated(installed) > 0, "the truncation")
        equal(follower.resyncs(), ["*"], "resyncs")
        with Follower(installed, "late") as late:
            late.until(lambda f: f.resyncs(), "its first resync").ready().close()
        equal(installed.value("select needs_resync from trigperf.consumer where name = 'late'"),
              "f", "needs_resync of the late one")
        installed.sql("insert into calls values (1005, 1)")
        installed.sql(BURN)
        installed.sql("insert into calls values (1002, 1)")
        follower.until_keys("call:1002")
        before = rotated(installed)
        for _ in range(20):
            follower.turn(100)
        equal(rotated(installed), before, "truncations while a consumer lags")
        installed.sql("update trigperf.setting set value = '0' where name = 'retention.max_age_s'")
        installed.sql("insert into calls values (1003, 1)")
        follower.until(lambda _: int(installed.value(
            "select count(*) from trigperf.outbox_slot where truncated_at is not null")) > before,
            "retention")
        equal(follower.resyncs(), ["*"], "resyncs of the one that keeps up")
        with Follower(installed, "late") as late:
            late.until(lambda f: f.resyncs() == ["*"], "the resync of the one that lagged")
            late.close()
        follower.close()


@test("a host name is looked up off-thread")
def _(tmp):
    del tmp
    with harness.Cluster("--tcp") as cluster:
        database = cluster.installed()
        attached(database)
        name = database.conninfo().replace("host=127.0.0.1", "host=localhost")
        check("host=localhost" in name, f"expected a TCP cluster, got {name}")
        with Follower(database, "web", conninfo=name) as follower:
            follower.ready()
            database.sql("insert into calls values (1, 7)")
            follower.until_keys("call:1")
            follower.close()


@test("a server that cannot serve is refused with a sentence that says what to do")
def _(db):
    with Follower(db) as follower:
        follower.until(lambda f: f.error is not None, "the refusal")
        equal(follower.state(), FAILED, "state")
        contains(follower.error.message, "not installed")
        contains(follower.error.hint, "trigperf install")


@test("an upgrade: older libraries end when they connect next, newer ones wait for retry() until the schema is theirs")
def _(installed):
    attached(installed)
    newest = "(select max(version) from trigperf.migration)"
    for source in ("outbox", "wal"):
        with Follower(installed, source=source) as running:
            running.ready()
            installed.sql("create table kept as select * from trigperf.migration; insert into trigperf.migration "
                          "(version, name, checksum, compatible_from, library) values (9999, 'future', 'x', 9999, '99')")
            equal(running.turn().state(), READY, "the state while the connection stands")
            installed.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'trigperf' "
                          "and datname = current_database()")
            running.until(lambda f: f.state() == FAILED, "the refusal of an older library")
            contains(running.error.hint, "upgrade libtrigperf", "its hint")
        installed.sql(f"delete from trigperf.migration where version = {newest};"
                      f"delete from trigperf.migration where version = {newest}")
        with Follower(installed, source=source) as early:
            early.until(lambda f: f.state() == FAILED, "the refusal of an older schema")
            equal((early.error.status, early.error.hint), (-14, "run 'trigperf install' with this library"), "error")
            installed.sql("truncate trigperf.migration; insert into trigperf.migration select * from kept; drop table kept")
            equal(early.turn(200).state(), FAILED, "the state after the upgrade")
            LIB.check("trigperf_context_retry", early.context)
            early.ready().close()


@test("an unreachable server is tried again, and the newest error tells why")
def _(installed):
    with Follower(installed, conninfo="host=127.0.0.1 port=1 dbname=x") as follower:
        follower.until(lambda f: f.status()["reconnects"] > 2, "several attempts")
        error = ctypes.c_void_p(LIB.trigperf_context_error(follower.context))
        contains(LIB.trigperf_error_message(error).decode(), "connecting")
        equal(LIB.trigperf_error_retriable(error), 1, "retriable")
        LIB.trigperf_error_free(error)


if __name__ == "__main__":
    harness.main()
