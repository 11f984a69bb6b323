#!/usr/bin/python3
# suite: versions
"""A proxy between contexts and server that cuts, stalls, delays, tears messages, refuses and swallows."""

import contextlib
import os
import time

from lab import ALL, TABLES, Follower, Lab, harness, prepare, times
from proxy import Proxy
from harness import check, test

# Silence is noticed soon, so that the test need not wait for it.
SETTINGS = {"connect.silence_ms": 1000, "connect.timeout_ms": 1000}


@contextlib.contextmanager
def proxied(database, **more):
    env = database.env()
    proxy = Proxy(os.path.join(env["TRIGPERF_PG_SOCKET"], f".s.PGSQL.{env['PGPORT']}"))
    conninfo = f"host=127.0.0.1 port={proxy.port} user={database.user} dbname={database.name}"
    try:
        with Lab(database, ALL, hosts=conninfo, settings=SETTINGS, **more) as lab:
            yield proxy, lab
    finally:
        proxy.close()


def slow(proxy):
    """Up to 100 ms for each piece, for two seconds."""
    proxy.delay = 0.1
    time.sleep(2)
    proxy.delay = 0.0


def closed_door(proxy):
    """Nobody is let in for a while, and everybody is thrown out first."""
    proxy.refusing = True
    proxy.cut()
    time.sleep(0.5)
    proxy.refusing = False


def black_hole(proxy):
    """Connections are taken, and nothing ever passes."""
    proxy.swallowing = True
    proxy.stall()
    time.sleep(2)
    proxy.swallowing = False


ACTIONS = (Proxy.cut_one, Proxy.cut, lambda proxy: proxy.cut(True), Proxy.tear, Proxy.tear, Proxy.stall, slow,
           closed_door, black_hole)
NAMES = ("cut one", "cut all", "reset all", "torn", "torn", "half-open", "delayed", "refused", "black hole")


@test("cut, torn in mid-message, half-open, delayed, refused, swallowed: nothing lost, nothing stale")
def _(installed):
    with proxied(installed) as (proxy, lab):
        slowest = {}
        for count in range(times(full=6 * len(ACTIONS), slice=len(ACTIONS))):
            action, name = ACTIONS[count % len(ACTIONS)], NAMES[count % len(ACTIONS)]
            before = time.monotonic()
            lab.fault(lambda action=action: action(proxy), settle=1.0 if count < len(ACTIONS) else 0.6)
            slowest[name] = max(slowest.get(name, 0.0), time.monotonic() - before)
        check(proxy.torn, "no message was torn")
        lab.verify("proxied", resyncs=1)
        print("# proxied | longest until all was well again: " +
              ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest.items()) + f"; torn {proxy.torn}")


@test("half-open while a statement runs that may take long: noticed as well")
def _(installed):
    prepare(installed, ["outbox"])
    env = installed.env()
    proxy = Proxy(os.path.join(env["TRIGPERF_PG_SOCKET"], f".s.PGSQL.{env['PGPORT']}"))
    conninfo = f"host=127.0.0.1 port={proxy.port} user={installed.user} dbname={installed.name}"
    try:
        with Follower(installed, "web", conninfo, **{**SETTINGS, "connect.silence_ms": 200, "metrics.flush_ms": 1000,
                                                       "jobs.connection": "shared"}) as host:
            host.ready().until(lambda f: f.resyncs(), "the first resync")
            with installed.session() as holder:
                holder.run("begin; lock table trigperf.host_process in access exclusive mode")
                host.until(lambda _: int(installed.value("select count(*) from pg_stat_activity where wait_event_type = "
                                                         "'Lock' and application_name = 'trigperf'")), "the wait")
                proxy.stall()
                holder.run("commit")
            installed.sql(f"insert into {TABLES['outbox']} values (1, 1, 1)")
            host.until_keys("item:1")
    finally:
        proxy.close()


if __name__ == "__main__":
    # The server keeps connections that fell silent for ever: nobody may wait for it to drop them.
    harness.main(options=["-c wal_sender_timeout=0"])
