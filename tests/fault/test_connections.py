#!/usr/bin/python3
"""Connections cut, servers crashed, while writers commit: what was committed is delivered, or a resync
that came after it covers it."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
from follower import Follower  # noqa: E402  pylint: disable=wrong-import-position
from harness import check, test  # noqa: E402  pylint: disable=wrong-import-position

CUTS = int(os.environ.get("TRIGPERF_FAULT_CUTS", "100"))
CRASHES = int(os.environ.get("TRIGPERF_FAULT_CRASHES", "10"))


class Writer(threading.Thread):
    """Commits rows and records which; some transactions are held open a while, some rolled back."""

    def __init__(self, database, number):
        super().__init__(daemon=True)
        self.database, self.number = database, number
        self.committed, self.unknown, self.stop = [], [], threading.Event()
        self.random = random.Random(number)

    def run(self):
        count, session = 0, None
        while not self.stop.is_set():
            count += 1
            row = self.number * 1000000 + count
            try:
                session = session or self.database.session()
                self.write(session, row)
            except Exception:  # pylint: disable=broad-except
                self.unknown.append(row)
                if session is not None:
                    session.close()
                session = None
                time.sleep(0.05)
        if session is not None:
            session.close()

    def write(self, session, row):
        end = "rollback" if self.random.random() < 0.1 else "commit"
        session.run(f"begin; insert into calls values ({row}, {self.number})")
        if self.random.random() < 0.3:
            time.sleep(self.random.random() * 0.1)
        session.run(end)
        if end == "commit":
            self.committed.append((time.monotonic(), row))


class Recorder(Follower):
    """Remembers when each resync came."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.resync_times = []

    def take(self):
        before = len(self.batches)
        super().take()
        for batch in self.batches[before:]:
            if batch["resync"]:
                self.resync_times.append(time.monotonic())

    def missing(self, committed):
        keys, last = self.keys(), max(self.resync_times, default=0)
        return [row for when, row in committed if f"call:{row}" not in keys and when > last]


def attached(database, *more):
    database.sql("create table calls (id bigint primary key, user_id bigint)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", *more)


def under_fire(database, consumer, fire, times, source="outbox"):
    """Writers, one follower, and `times` faults; returns the follower and what was committed."""
    writers = [Writer(database, number) for number in range(1, 5)]
    follower = Recorder(database, consumer, source=source)
    follower.ready()
    for writer in writers:
        writer.start()
    for _ in range(times):
        deadline = time.monotonic() + random.random() * 0.2
        while time.monotonic() < deadline:
            follower.turn(5)
        fire()
    for writer in writers:
        writer.stop.set()
    for writer in writers:
        writer.join(60)
    committed = [one for writer in writers for one in writer.committed]
    follower.until(lambda f: not f.missing(committed), "everything committed", timeout=120)
    print(f"# {source}, {consumer or 'ephemeral'}: {len(committed)} committed, {times} faults, "
          f"{follower.status()['reconnects']} reconnects, {len(follower.resync_times)} resyncs, "
          f"{sum(len(b['keys']) for b in follower.batches) - len(follower.keys())} repeats, 0 lost")
    follower.close()
    return committed


def cut(database):
    database.sql("select pg_terminate_backend(pid) from pg_stat_activity where pid <> "
                 "pg_backend_pid() and datname = current_database()")


def cut_often(database, source):
    for consumer in ("web", ""):
        committed = under_fire(database, consumer, lambda: cut(database), CUTS, source)
        check(len(committed) > CUTS, f"only {len(committed)} transactions were committed")
        database.sql("truncate calls")


def crash_often(source, *more):
    with harness.Cluster(fast=False) as cluster:
        database = cluster.installed()
        attached(database, *more)

        def crash():
            cluster.halt("immediate")
            cluster.resume()

        for consumer in ("web", ""):
            committed = under_fire(database, consumer, crash, CRASHES, source)
            check(committed, "nothing was committed")
            database.sql("truncate calls")


@test("every connection is terminated at random, again and again")
def _(installed):
    attached(installed)
    cut_often(installed, "outbox")


@test("the same while the write-ahead log is followed")
def _(installed):
    attached(installed, "--granularity", "wal")
    cut_often(installed, "wal")


@test("the server crashes and comes back, again and again")
def _():
    crash_often("outbox")


@test("the same while the write-ahead log is followed: crashes")
def _():
    crash_often("wal", "--granularity", "wal")


if __name__ == "__main__":
    harness.main()
