#!/usr/bin/python3
# suite: versions
"""A full disk under the outbox, whose tables lie in a tablespace of a few megabytes: with --isolate full the
users' statements succeed, and the resync that makes up for it needs no space there."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from lab import Lab, harness, prepare, times
from pq import Connection, Refused
from harness import check, eventually, test

MIB = 24


@contextlib.contextmanager
def small_disk(owner):
    """A mounted folder of that size; skips where mounting is not permitted."""
    folder = tempfile.mkdtemp(prefix="tpd.", dir="/tmp")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MIB}m,mode=0700", "tmpfs", folder],
                          capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        os.rmdir(folder)
        harness.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        os.mkdir(os.path.join(folder, "space"))
        if os.geteuid() == 0:
            shutil.chown(os.path.join(folder, "space"), owner, owner)
            shutil.chown(folder, owner, owner)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
        os.rmdir(folder)


def server_user(cluster):
    return os.stat(os.path.join(os.path.dirname(cluster.env["TRIGPERF_PG_SOCKET"]), "data")).st_uid


def move_outbox(database, folder):
    """The outbox with its indexes goes there."""
    database.sql(f"create tablespace small location '{folder}/space'")
    for (name,) in database.rows("select inhrelid::regclass from pg_inherits where inhparent = "
                                 "'trigperf.outbox'::regclass"):
        database.sql(f"alter table {name} set tablespace small")
        for (index,) in database.rows(f"select indexrelid::regclass from pg_index where indrelid = '{name}'::regclass"):
            database.sql(f"alter index {index} set tablespace small")


def fill(connection):
    """Until the disk is full; the server says so."""
    connection.run("create unlogged table ballast (t text) tablespace small;"
                   "alter table ballast alter t set storage plain")
    rows = 2000
    while rows:
        try:
            connection.run(f"insert into ballast select repeat('x', 2000) from generate_series(1, {rows})")
        except Refused as refusal:
            check(refusal.state == "53100", f"another error than a full disk: {refusal}")
            rows //= 4


def uncaptured(connection):
    return int(connection.run("select case when is_called then last_value else 0 end from trigperf.uncaptured")[0][0])


def fill_and_free(lab, connection, seconds):
    """Full for a while in which changes go uncaptured; then there is room again. Returns how many did."""
    before = uncaptured(connection)
    fill(connection)
    eventually(lambda: lab.fine() or uncaptured(connection) > before + 20, "changes that found no room")
    time.sleep(seconds)
    count, committed = uncaptured(connection) - before, len(lab.ledger.committed())
    eventually(lambda: lab.fine() or len(lab.ledger.committed()) > committed + 50, "statements that succeed")
    connection.run("drop table ballast")
    return count


@test("the outbox's disk is full: statements succeed, a resync follows, nothing stays stale")
def _(cluster):
    installed = cluster.installed()
    with small_disk(server_user(cluster)) as folder:
        move_outbox(installed, folder)
        prepare(installed, ["outbox"], "--isolate", "full")
        with Lab(installed, ("outbox web", "outbox"), prepared=True) as lab, Connection(lab.direct) as connection:
            found = 0
            for _ in range(times(full=10, slice=1)):
                time.sleep(1)
                found += fill_and_free(lab, connection, times(full=3, slice=0.5))
                lab.faults += 1
                lab.made_up(time.monotonic(), resynced=True)
            lab.verify("disk full", late=True)
            print(f"# disk full | statements that found no room {found}, slowest until made up {max(lab.recovery.values()):.1f} s")
        logged = installed.value("select count(*) from trigperf.trigger_error_log where operation = 'isolate'")
        check(int(logged) > 0, "nothing was logged")
        installed.sql("drop schema trigperf cascade; drop tablespace small")


if __name__ == "__main__":
    harness.main()
