#!/usr/bin/python3
# suite: versions
"""Servers that forget commits and use transaction ids again: crashes without synchronous commit, failover,
restored backups and dumps. Nobody may go on from a position that means something else now."""

import os
import signal
import time

from lab import Lab, children, harness, times, whole
from proxy import Proxy
from pq import Connection
from harness import Cluster, check, test

KINDS = ("outbox web", "outbox", "notify")
ALL = ("outbox web", "outbox", "wal web", "wal", "notify")
# What was told was visible then; the server forgets it, so that looking proves nothing here. Jobs would write to the
# disk what is to be forgotten, and take the ids that are to be used again.
SETTINGS = {"watching": False, "connect.silence_ms": 3000, "jobs.enabled": "off"}


def socket_of(cluster):
    return os.path.join(cluster.env["TRIGPERF_PG_SOCKET"], f".s.PGSQL.{cluster.env['PGPORT']}")


class Road:
    """A proxy in front of whichever server is the present one, for writers and hosts alike."""

    def __init__(self, cluster, database):
        self.proxy = Proxy(socket_of(cluster))
        self.conninfo = (f"host=127.0.0.1 port={self.proxy.port} user={database.user} dbname={database.name}")

    def lead_to(self, cluster):
        self.proxy.target = socket_of(cluster)
        self.proxy.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.close()


def reused(lab):
    """Transactions that were forgotten, and ids of theirs that later ones have again."""
    with lab.ledger.lock:
        changes = list(lab.ledger.changes)
    forgotten = {change.xid: change for change in changes if change.outcome == "forgotten" and change.xid}
    again = {change.xid for change in changes if change.outcome == "committed" and change.xid in forgotten
             and change.sent > forgotten[change.xid].sent}
    return len(forgotten), len(again)


def linger(lab, done, longest=30):
    """Until that is so. It need not become so: in the end proven() says whether there was enough of it."""
    end = time.monotonic() + longest
    while not done() and time.monotonic() < end:
        lab.fine()
        time.sleep(0.02)


def commits(lab, longest=30):
    """Some more of them, which are to be forgotten."""
    enough = len(lab.ledger.committed()) + 30
    linger(lab, lambda: len(lab.ledger.committed()) >= enough, longest)


def used_again(lab):
    """Until an id of a forgotten transaction is another one's."""
    linger(lab, lambda: min(reused(lab)) > 0 or not reused(lab)[0])


def forget(lab, action):
    """Stops the writers for good, lets the server forget, and judges by what it knows then."""
    began = time.monotonic()
    for writer in lab.writers:
        writer.idle.clear()
        writer.go.clear()
    action()
    lab.pause()
    with Connection(lab.direct) as connection:
        table = lab.writers[0].tables[0]
        forgotten = lab.ledger.reconcile(connection, table)
    lab.faults += 1
    lab.settle(time.monotonic() - began)
    for host in lab.hosts:
        check(not host.differs(lab.rows(host)), f"{host.kind}: entries that the server does not know: "
              f"{list(host.differs(lab.rows(host)).items())[:5]}")
    lab.resume()
    return forgotten


def proven(lab, what):
    """The ids were used again, or the scenario proves nothing."""
    forgotten, again = reused(lab)
    lab.verify(what, spurious=None)
    print(f"# {what} | transactions forgotten {forgotten}, of their ids used again {again}", flush=True)
    check(forgotten > 0 and again > 0, "no transaction id was used again")


def stop_writing(cluster, lab):
    """Stops the process that writes the log to disk, and a little later the sessions of hosts, whose commits write it
    too: what is committed from then on stays in the memory of the server."""
    pids = children(cluster, "walwriter")
    check(pids, "the server has no walwriter")
    os.kill(pids[0], signal.SIGSTOP)
    time.sleep(0.5)
    with Connection(lab.direct) as connection:
        pids += [int(row[0]) for row in connection.run("select pid from pg_stat_activity where application_name ~ "
                                                       "'^trigperf' and backend_type in ('client backend', 'walsender')")]
    for pid in pids[1:]:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(0.3)
    commits(lab, 3)  # none, where one that was stopped holds a lock
    return pids


def crashing(kinds, what, rounds, visible):
    """visible: seconds in which the log reaches the disk, so that all hosts follow. Some rounds more where none
    has used an id again."""
    with Cluster(options=["-c synchronous_commit=off -c wal_writer_delay=100ms -c wal_buffers=64MB "
                          "-c bgwriter_lru_maxpages=0 -c autovacuum=off -c checkpoint_timeout=1h"]) as cluster:
        with Lab(cluster.installed(), kinds, xids=True, settings=SETTINGS) as lab:
            for done in range(4 * rounds):
                time.sleep(visible)
                if done >= rounds and min(reused(lab)) > 0:
                    break
                pids = stop_writing(cluster, lab)

                def crash(pids=pids):
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL)
                    cluster.halt("immediate")
                    cluster.resume()

                forget(lab, crash)
            used_again(lab)
            proven(lab, what)


@test("crashes with synchronous_commit = off: commits are forgotten, ids used again, nobody holds what never was")
def _():
    crashing(KINDS, "crash, asynchronous", times(full=20, slice=1), 0.5)


@whole("the same with all sources, of which some see only what reached the disk")
def _():
    crashing(ALL, "crash, asynchronous, wal", 10, 0.7)


@test("failover to a standby that lags: lost commits, and a standby that is asked before it is promoted")
def _():
    primary = Cluster(options=["-c autovacuum=off"])
    try:
        installed = primary.installed()
        with Road(primary, installed) as road, Lab(installed, ALL, direct=road.conninfo, hosts=road.conninfo,
                                                   xids=True, settings=SETTINGS) as lab:
            for _ in range(times(full=5, slice=1)):
                standby = Cluster(standby_of=primary)
                database = harness.Database(standby, installed.name)
                time.sleep(1)

                stopped = children(standby, "walreceiver")
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                time.sleep(0.7)
                commits(lab)

                def fail_over(primary=primary, standby=standby, database=database, stopped=stopped):
                    primary.halt("immediate")
                    for pid in stopped:
                        os.kill(pid, signal.SIGTERM)
                        os.kill(pid, signal.SIGCONT)
                    road.lead_to(standby)
                    time.sleep(0.5)  # everybody is sent to a server that is no primary yet
                    database.sql("select pg_promote()")

                forget(lab, fail_over)
                used_again(lab)
                primary.stop()
                primary = standby
            proven(lab, "failover")
    finally:
        primary.stop()


def restoring(what, take, rounds):
    """A backup is taken while writers write, and comes back in the place of the data."""
    with Cluster(options=["-c autovacuum=off"]) as cluster:
        installed = cluster.installed()
        with Lab(installed, ALL, xids=True, settings=SETTINGS) as lab:
            for number in range(rounds):
                time.sleep(0.5)
                take(cluster, f"backup{number}")
                time.sleep(1.0)
                commits(lab)

                def restore(number=number):
                    cluster.halt("fast")
                    cluster.restore(f"backup{number}")
                    cluster.resume()

                forget(lab, restore)
                used_again(lab)
            proven(lab, what)


@whole("a base backup restored: positions ahead of the server mean nothing")
def _():
    restoring("restored base backup", lambda cluster, name: cluster.backup(name), 5)


def cold(cluster, name):
    """The files of a server that was stopped properly, unlogged tables included."""
    cluster.halt("fast")
    cluster.copy(name)
    cluster.resume()


@test("a copy of the stopped server's files restored, which has the identity that the server had")
def _():
    restoring("restored cold copy", cold, times(full=5, slice=1))


@whole("a dump restored into another server, whose transaction ids are not as far")
def _():
    with Cluster(options=["-c autovacuum=off"]) as old, Cluster(options=["-c autovacuum=off"]) as new:
        installed = old.installed()
        with Road(old, installed) as road, Lab(installed, ALL, direct=road.conninfo, hosts=road.conninfo,
                                               xids=True, settings=SETTINGS) as lab:
            time.sleep(2)
            text = harness.pg_dump(installed)
            time.sleep(1)
            commits(lab)

            def move():
                old.halt("immediate")
                harness.Database(new, "postgres").sql(f"create database {installed.name} template template0")
                harness.Database(new, installed.name).sql(text)
                road.lead_to(new)

            forget(lab, move)
            used_again(lab)
            proven(lab, "moved by a dump")


if __name__ == "__main__":
    harness.main()
