#!/usr/bin/python3
# suite: versions
"""A transaction that is open for long and a prepared one that was left: nobody else is delayed."""

import time

from lab import TABLES, Lab, harness, times
from pq import Connection
from harness import check, eventually, test

SECONDS = times(full=60, slice=2)
KINDS = ("outbox web", "outbox", "wal web", "wal", "notify")
HELD, LEFT = 1, 2  # rows that no writer has


def latencies(host, since, until):
    """Seconds from the known commit to the host, of changes committed in that time."""
    with host.recorder.lock:
        first = dict(host.recorder.first)
    return sorted(max(0.0, first[f"number:{number}"] - change.known) for change in host.ledger.committed(host.table)
                  if since < change.known < until for number in change.numbers if f"number:{number}" in first)


def write(connection, row):
    connection.run("begin; " + "; ".join(f"insert into {table} values ({row}, {row}, {row})"
                                         for table in TABLES.values()))


def seen(lab, row):
    return [host.kind for host in lab.hosts if host.recorder.times.get(f"item:{row}")]


def enough(lab, since):
    """Returns when there is something to tell latencies of."""
    eventually(lambda: lab.fine() or all(len(latencies(host, since, time.monotonic())) > 20 for host in lab.hosts),
               "changes told to everybody")


def print_latencies(lab, what, since, until):
    for host in lab.hosts:
        found = latencies(host, since, until)
        check(len(found) > 20, f"{host.kind}: only {len(found)} changes {what}")
        print(f"# {what} | {host.kind}: {len(found)} changes, commit to host p50 "
              f"{found[len(found) // 2] * 1000:.1f} ms, p99 {found[int(len(found) * .99)] * 1000:.1f} ms, "
              f"max {found[-1] * 1000:.1f} ms", flush=True)


@test("a transaction open for long and a prepared one left behind delay nobody")
def _(installed):
    with Lab(installed, KINDS) as lab, Connection(lab.direct) as held, Connection(lab.direct) as left:
        began = time.monotonic()
        time.sleep(min(SECONDS, 15))
        enough(lab, began)
        lab.settle()
        opened = time.monotonic()
        write(held, HELD)
        left.run("begin; select 1")
        # What notifies cannot be prepared.
        left.run("; ".join(f"insert into {TABLES[kind]} values ({LEFT}, {LEFT}, {LEFT})" for kind in
                           ("outbox", "wal")) + "; prepare transaction 'left'")
        lab.faults = 2
        while time.monotonic() < opened + SECONDS:
            time.sleep(min(5, SECONDS / 2))
            lab.settle()
            lab.fine()
        enough(lab, opened)
        closed = time.monotonic()
        check(not seen(lab, HELD) and not seen(lab, LEFT), "an open transaction was told")
        held.run("commit")
        lab.settle()
        check(len(seen(lab, HELD)) == len(KINDS), f"the held one, after its commit: {seen(lab, HELD)}")
        check(not seen(lab, LEFT), "a prepared transaction was told")
        left.run("commit prepared 'left'")
        lab.settle()
        check(len(seen(lab, LEFT)) == len(KINDS) - 1, f"the prepared one, committed: {seen(lab, LEFT)}")
        lab.verify(f"open for {closed - opened:.0f} s", resyncs=1, spurious=2)  # the two of this test
        print_latencies(lab, "nothing open", began, opened)
        print_latencies(lab, "one open, one prepared", opened, closed)


if __name__ == "__main__":
    harness.main()
