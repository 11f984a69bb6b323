#!/usr/bin/python3
# suite: versions
"""Connections that fail in odd ways: half-open ones, servers that are not the same any more, standbys."""

import os
import signal
import threading
import time

import harness
from doors import Door
from follower import FAILED, READY, Follower, turn_all
from harness import attempts, Cluster, Database, check, contains, equal, test
from pooling import pooler

BACKOFF = 3


def attached(database, *more):
    database.sql("create table calls (id bigint primary key)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", *more)


def half_open(database, source, bound_s, insert, **settings):
    """Everything that was sent stops arriving; nobody is told. Returns how long that took to notice."""
    with Door(database) as door:
        with Follower(database, conninfo=door.conninfo(), source=source,
                      **{"connect.silence_ms": 1000, "connect.timeout_ms": 1000, **settings}) as follower:
            follower.ready()
            door.stall()
            began = time.monotonic()
            follower.until(lambda f: f.state() == BACKOFF, "noticing the silence")
            took = time.monotonic() - began
            if source == "outbox":
                error = follower.status()["error"]
                equal("did not answer" in error or "no connection" in error, True, f"what is wrong: {error!r}")
            insert(1)
            follower.until(lambda f: f.status()["reconnects"] > 1, "an attempt that meets silence as well")
            door.open()
            follower.ready().until(lambda f: "call:1" in f.keys() or f.resyncs().count("*") > 1, "what was missed")

            def goes_on(number):
                insert(number)
                before = follower.resyncs().count("*")
                follower.until(lambda f: f"call:{number}" in f.keys() or f.resyncs().count("*") > before, "a change")
                check(f"call:{number}" in follower.keys(), "it came as a resync, as after another silence")

            attempts(range(2, 7), goes_on)
            follower.close()
    print(f"# {source}: noticed after {took:.1f} s, promised {bound_s}")


@test("half open: the outbox's connection is given up after connect.silence_ms and two beats, and made anew")
def _(installed):
    attached(installed)
    half_open(installed, "outbox", 2, lambda i: installed.sql(f"insert into calls values ({i})"))


@test("half open: a context that may not be notifier, and polls rarely")
def _(installed):
    attached(installed)
    half_open(installed, "outbox", 2, lambda i: installed.sql(f"insert into calls values ({i})"),
              **{"notifier.enabled": "off", "poll.max_ms": 1000})


@test("half open: the log's connections are given up after connect.silence_ms")
def _(installed):
    attached(installed, "--granularity", "wal")
    half_open(installed, "wal", 2, lambda i: installed.sql(f"insert into calls values ({i})"))


@test("half open: a listener is given up within 15 seconds")
def _(db):
    with Door(db) as door:
        with Follower(db, conninfo=door.conninfo(), source="notify",
                      **{"connect.silence_ms": 1000, "connect.timeout_ms": 1000}) as follower:
            follower.ready()
            door.stall()
            follower.until(lambda f: f.state() == BACKOFF, "noticing the silence")
            door.open()
            follower.ready().until(lambda f: f.resyncs().count("*") > 1, "the resync").close()


@test("ready comes after everything that is there was read, and not before")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as web:
        web.ready().until(lambda f: f.resyncs(), "the resync")
        web.close()
    for first in range(1, 4001, 1000):
        installed.sql(f"insert into calls select generate_series({first}, {first + 998}, 2)")
    with Follower(installed, "web", **{"batch.max_pending": 100000, "batch.max_keys": 10}) as web:
        web.until(lambda f: f.state() == READY, "ready")
        equal(web.status()["counters"]["changes"], 2000, "changes read when it became ready")
        web.close()


@test("a schema that is gone for a while and a right that is taken for a while are waited for by who was ready")
def _(installed):
    attached(installed)
    installed.sql("create role guest login; grant usage on schema public to guest")
    installed.trigperf("grants", "--consumer", "guest", "--apply")
    conninfo = f"host={installed.env()['PGHOST']} port={installed.env()['PGPORT']} user=guest dbname={installed.name}"
    with Follower(installed, "web", conninfo=conninfo, **{"reconnect.max_ms": 200}) as web:
        web.ready()
        for away, back in (("alter schema trigperf rename to away", "alter schema away rename to trigperf"),
                           ("revoke usage on schema trigperf from guest", "grant usage on schema trigperf to guest")):
            installed.sql(away)
            installed.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'guest'")
            web.until(lambda f: f.state() == BACKOFF and f.status()["reconnects"] > 1, "attempts meanwhile")
            installed.sql(back)
            web.ready()
        installed.sql("insert into calls values (7)")
        web.until_keys("call:7").close()


@test("attempts go on without end, further and further apart, not at the same times")
def _(installed):
    attached(installed)
    with Door(installed) as door:
        door.stall()
        with Follower(installed, conninfo=door.conninfo(), **{
                "connect.timeout_ms": 100, "reconnect.min_ms": 1, "reconnect.max_ms": 40}) as follower:
            follower.until(lambda f: f.status()["reconnects"] >= 40, "forty attempts")
            waits = [int(text.rsplit(" ", 2)[1]) for _, text in follower.log_lines if "trying again in" in text]
            check(max(waits[20:]) <= 40 and max(waits[20:]) > 10, f"waits: {waits}")
            check(len(set(waits[10:])) > 5, f"no jitter: {waits}")
            door.open()
            follower.ready().close()


@test("several hosts: one that never answers is passed over with the next attempt, also for an administrator")
def _(installed):
    attached(installed)
    env = installed.env()
    with Door(installed) as door:
        door.stall()
        conninfo = (f"host={door.folder},{env['PGHOST']} port=5432,{env['PGPORT']} "
                    f"user={installed.user} dbname={installed.name} target_session_attrs=read-write")

        def passes_over(timeout_ms):
            before = door.accepted
            with Follower(installed, conninfo=conninfo, **{"connect.timeout_ms": timeout_ms}) as follower:
                follower.ready()
                equal(door.accepted, before + 1, "attempts at the one that does not answer")
                follower.close()

        attempts((1000, 10000), passes_over)
        attempts((1000, 10000), lambda timeout_ms: installed.trigperf("status", "-d", conninfo, "-o",
                                                                      f"connect.timeout_ms={timeout_ms}"))


@test("a pooler in front of source = wal is refused, with a sentence")
def _(installed):
    attached(installed, "--granularity", "wal")
    with pooler(installed, "transaction") as conninfo:
        with Follower(installed, "web", conninfo=str(conninfo), source="wal") as follower:
            follower.until(lambda f: f.error is not None, "the refusal")
            equal(follower.state(), FAILED, "state")
            contains(follower.error.message, "transaction mode")
    with pooler(installed, "session") as conninfo:
        with Follower(installed, "web", conninfo=str(conninfo), source="wal") as follower:
            follower.until(lambda f: f.error is not None, "the refusal")
            equal(follower.state(), FAILED, "state")
            contains(follower.error.message, "a pooler in between", "the refusal")


@test("a pooler without room for the second connection: tried again, and the error says what to look at")
def _(installed):
    attached(installed)
    with pooler(installed, "session", size=1) as conninfo:
        with Follower(installed, conninfo=str(conninfo), **{"connect.timeout_ms": 500}) as follower:
            follower.until(lambda f: "the second connection" in (f.status()["error"] or ""), "the error")
            check(follower.state() != FAILED and follower.error is None, "it was given up")


def stop_listening(session, follower, stopped):
    """Stops the server process of a context that listens, before that is ready. False: it was ready already."""
    others = ",".join(["pg_backend_pid()", *map(str, stopped)])
    while follower.state() != READY:
        follower.turn(0)
        found = session.run("select pid from pg_stat_activity where datname = current_database() and state = 'idle' "
                            f"and query ~ '^LISTEN \"trigperf_' and pid not in ({others})")
        if found and follower.state() != READY:
            os.kill(int(found), signal.SIGSTOP)
            stopped.append(int(found))
            return True
    return False


@test("a server that stands still during the self-test is no pooler: it is waited for")
def _(installed):
    attached(installed)
    stopped, followers = [], []
    with installed.session() as session:
        try:
            for source in ("outbox", "notify"):
                followers.append(Follower(installed, source=source))
                while not stop_listening(session, followers[-1], stopped):
                    followers[-1].close()
                    followers[-1] = Follower(installed, source=source)
            until = time.monotonic() + 6
            turn_all(followers, lambda: time.monotonic() > until or any(f.error for f in followers), "their verdict")
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        equal([f.error for f in followers], [None, None], "errors")
        turn_all(followers, lambda: all(f.state() == READY for f in followers), "becoming ready")
        for follower in followers:
            follower.close()


@test("a named consumer begins while a synchronous standby is away")
def _(installed):
    attached(installed)
    installed.sql("alter system set synchronous_standby_names = 'nowhere'; select pg_reload_conf()")
    try:
        harness.eventually(lambda: installed.value("show synchronous_standby_names") == "nowhere", "the setting")
        with Follower(installed, "web") as web:
            web.ready().until(lambda f: f.resyncs() == ["*"], "the first resync").close()
    finally:
        installed.sql("alter system reset synchronous_standby_names; select pg_reload_conf()")


def over_two(database, standby, **more):
    env = database.env()
    return (f"host={standby.env['PGHOST']},{env['PGHOST']} port={env['PGPORT']},{env['PGPORT']} "
            f"user={database.user} dbname={database.name} " + " ".join(f"{k}={v}" for k, v in more.items()))


@test("standby and primary: read-write is chosen; after a promotion the new primary is found, and all is resynced")
def _():
    with Cluster(fast=False) as cluster:
        db = cluster.installed()
        attached(db)
        with Cluster(standby_of=cluster) as standby:
            conninfo = over_two(db, standby, target_session_attrs="read-write")
            with Follower(db, "web", conninfo=conninfo) as named, Follower(db, conninfo=conninfo) as nameless, \
                    Follower(db, conninfo=over_two(db, standby, target_session_attrs="primary")) as third:
                every = (named, nameless, third)
                for one in every:
                    one.ready().until(lambda f: f.resyncs() == ["*"], "the first resync")
                db.sql("insert into calls values (1)")
                for one in every:
                    one.until_keys("call:1")
                other = Database(standby, db.name)
                harness.eventually(lambda: other.value("select count(*) from calls") == "1", "replication")
                with Follower(db, conninfo=over_two(db, standby)) as stubborn:
                    stubborn.until(lambda f: f.error is not None, "the standby that comes first")
                    contains(stubborn.error.message, "this one is a standby")
                cluster.halt("immediate")
                for one in every:
                    one.until(lambda f: f.state() == BACKOFF, "losing the primary")
                other.sql("select pg_promote()")
                for one in every:
                    one.until(lambda f: f.state() == READY and f.resyncs().count("*") == 2, "the new primary")
                other.sql("insert into calls values (2)")
                for one in every:
                    one.until_keys("call:2")
                    one.close()


@test("who was ready before waits at a standby until it is promoted")
def _():
    with Cluster(fast=False) as cluster:
        db = cluster.installed()
        attached(db)
        with Cluster(standby_of=cluster) as standby:
            env = db.env()
            conninfo = (f"host={env['PGHOST']},{standby.env['PGHOST']} port={env['PGPORT']},{env['PGPORT']} "
                        f"user={db.user} dbname={db.name}")
            with Follower(db, "web", conninfo=conninfo) as web:
                web.ready().until(lambda f: f.resyncs() == ["*"], "the first resync")
                cluster.halt("immediate")
                web.until(lambda f: "standby" in (f.status()["error"] or "") and f.state() == BACKOFF, "meeting the standby")
                Database(standby, "postgres").sql("select pg_promote()")
                web.until(lambda f: f.state() == READY and f.resyncs().count("*") == 2, "the promotion").close()


def halt(cluster, followers):
    """Stops the server while they run: it waits for those that follow its log."""
    stopping = threading.Thread(target=cluster.halt)
    stopping.start()
    while stopping.is_alive():
        for one in followers:
            one.turn(5)


@test("a copy of before, restored while the server was down: known by its log, and everything is resynced")
def _():
    with Cluster(fast=False) as cluster:
        db = cluster.installed()
        attached(db)
        with Follower(db, "web") as named, Follower(db) as nameless, \
                Follower(db, "log", source="wal") as log:
            every = (named, nameless, log)
            for one in every:
                one.ready().until(lambda f: f.resyncs() == ["*"] and
                                  f.status()["counters"]["pending_batches"] == 0, "the first resync")
                one.until(lambda f: db.value("select count(*) from trigperf.consumer where needs_resync") == "0",
                          "its settlement")
            halt(cluster, every)
            cluster.copy("before")
            cluster.resume()
            db.sql("insert into calls select generate_series(1, 100)")
            for one in every[:2]:
                one.until_keys("call:100")
            for one in every:
                one.ready()
            log.until(lambda f: f.status()["reached"], "reading on")
            before = db.value("select trigperf.incarnation_get()")
            halt(cluster, every)
            cluster.restore("before")
            cluster.resume()
            equal(db.value("select trigperf.incarnation_get()"), before, "the incarnation tells nothing")
            equal(db.value("select count(*) from calls"), "0", "rows")
            for one in every:
                one.until(lambda f: f.state() == READY and f.resyncs().count("*") >= 2, "the resync")
            db.sql("insert into calls values (5000)")
            for one in every[:2]:
                one.until_keys("call:5000")
            for one in every:
                one.close()


def visits(db, *expected):
    """Programs that come, are ready, and go: what each of them is told to resync."""
    for name, source in (("web", "outbox"), ("log", "wal")):
        with Follower(db, name, source=source) as one:
            one.ready().until(lambda f: f.status()["counters"]["pending_batches"] == 0, "having read everything")
            equal(one.resyncs(), list(expected), f"resyncs of {name}")
            one.close()


@test("a copy of before, restored while no program ran: nobody can know, and a reset by hand makes up for it")
def _():
    with Cluster() as cluster:
        db = cluster.installed()
        db.sql("create table logged (id bigint primary key)")
        attached(db)
        db.attach("public.logged", "--key", "id", "--rule", "logged:{id}", "--granularity", "wal")
        visits(db, "*")
        cluster.halt()
        cluster.copy("before")
        cluster.resume()
        db.sql("insert into calls values (1); insert into logged values (1)")
        visits(db)
        cluster.halt()
        cluster.restore("before")
        cluster.resume()
        visits(db)
        for name in ("web", "log"):
            db.trigperf("consumers", "reset", name)
        visits(db, "*")
        db.sql("delete from trigperf.incarnation")
        visits(db, "*")


@test("another server at the same address: another system identifier, everything is resynced")
def _():
    with Cluster(fast=False) as first, Cluster(fast=False) as second:
        one, two = first.installed("app"), second.installed("app")
        for db in (one, two):
            attached(db)
        conninfo = (f"host={first.env['PGHOST']},{second.env['PGHOST']} port={first.env['PGPORT']},"
                    f"{second.env['PGPORT']} user={one.user} dbname=app")
        with Follower(one, "web", conninfo=conninfo) as named, Follower(one, conninfo=conninfo) as nameless:
            for follower in (named, nameless):
                follower.ready().until(lambda f: f.resyncs() == ["*"], "the first resync")
            first.halt()
            two.sql("insert into calls values (1)")
            for follower in (named, nameless):
                follower.until(lambda f: f.state() == READY and f.resyncs().count("*") == 2, "the other server")
            two.sql("insert into calls values (2)")
            for follower in (named, nameless):
                follower.until_keys("call:2")
                follower.close()


@test("a position ahead of the server, as after lost commits: everything is resynced")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as web:
        web.ready().until(lambda f: f.resyncs(), "the first resync")
        web.close()
    installed.sql("update trigperf.consumer set position = '900000000:900000000:', needs_resync = false")
    with Follower(installed, "web") as web:
        web.ready().until(lambda f: f.resyncs() == ["*"], "the resync")
        installed.sql("insert into calls values (1)")
        web.until_keys("call:1")
        web.close()


if __name__ == "__main__":
    harness.main()
