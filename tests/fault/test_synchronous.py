#!/usr/bin/python3
# suite: versions
"""A synchronous standby that stands still: commits hang, and nothing is told before it is visible."""

import os
import signal
import time

from lab import Lab, children, harness, times, whole
from pq import Connection
from harness import Cluster, check, eventually, test


def waiting(connection):
    return int(connection.run("select count(*) from pg_stat_activity where wait_event = 'SyncRep' and "
                              "application_name <> 'trigperf'")[0][0])


def hold(lab, standby, connection, seconds):
    """The standby stands still, until all writers have hung for so long."""
    found = eventually(lambda: children(standby, "walreceiver"), "the standby's receiver")
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: waiting(connection) == len(lab.writers), "all writers to hang")
        time.sleep(seconds)
        check(waiting(connection) == len(lab.writers), "a writer did not wait")
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


def pausing(what, cluster, kinds, rounds, writers):
    installed = cluster.installed()
    with Cluster(standby_of=cluster) as standby:
        installed.sql("alter system set synchronous_standby_names = 'standby'; select pg_reload_conf()")
        try:
            with Lab(installed, kinds, writers=writers, undone=0) as lab, Connection(lab.direct) as connection:
                for _ in range(rounds):
                    time.sleep(0.5)
                    hold(lab, standby, connection, 1.0)
                    lab.faults += 1
                    lab.settle()
                    lab.fine()
                lab.verify(what, resyncs=1)
        finally:
            installed.sql("alter system reset synchronous_standby_names; select pg_reload_conf()")


@test("synchronous standby paused: no batch before its change is visible")
def _(cluster):
    pausing("standby paused", cluster, ("outbox web", "outbox", "wal web", "wal"), times(full=20, slice=1), 4)


@whole("the same with notifications, whose commits wait for each other")
def _(cluster):
    pausing("standby paused, notify", cluster, ("notify",), 5, 1)


if __name__ == "__main__":
    harness.main()
