#!/usr/bin/python3
# suite: versions
"""Behind pgbouncer: in session mode, also when the pooler itself dies; in transaction mode, refused by name."""

from follower import FAILED, turn_all
from lab import Host, Lab, harness, prepare, times
from pooling import pooler
from harness import check, contains, test


def refuse(database, pool, kinds, word):
    """Contexts of all these kinds fail, and say what to do."""
    hosts = [Host(database, kind, str(pool), filling=False) for kind in kinds]
    try:
        turn_all(hosts, lambda: all(host.state() == FAILED for host in hosts), "the refusals")
        for host in hosts:
            host.turn(1)
            print(f"# pooled | {host.kind}: {host.error.message}; {host.error.hint}")
            check(not host.recorder.batches, "batches came nevertheless")
            contains(host.error.message, word)
            contains(host.error.hint, "connect to the server directly")
    finally:
        for host in hosts:
            host.free()


@test("session mode, the pooler killed again and again: nothing lost, no resync but the first")
def _(installed):
    with pooler(installed, "session", 20) as pool:
        with Lab(installed, ("outbox web", "outbox", "notify"), hosts=str(pool)) as lab:
            for _ in range(times(full=30, slice=3)):
                lab.fault(pool.restart, calm=0.5)
            lab.verify("pooled, session mode", resyncs=1)


@test("transaction mode: each source refuses, and the sentence says what to do")
def _(installed):
    prepare(installed, ["outbox", "wal", "notify"])
    with pooler(installed, "transaction") as pool:
        refuse(installed, pool, ("outbox web", "outbox", "wal web", "wal", "notify"), "transaction mode")


@test("session mode: the write-ahead log does not come through it, and the sentence says so")
def _(installed):
    prepare(installed, ["wal"])
    with pooler(installed, "session", 20) as pool:
        refuse(installed, pool, ("wal web", "wal"), "replication")


if __name__ == "__main__":
    harness.main()
