#!/usr/bin/python3
# suite: versions
"""Consumers killed with SIGKILL, and two processes of one name that change over, under load."""

import signal
import time

from lab import Lab, harness, times
from mortal import Mortal
from harness import check, contains, equal, eventually, test

KINDS = ("outbox web", "wal web")


def know(database):
    """Returns when the debt of the first resync is settled: its acknowledgement is stored."""
    eventually(lambda: database.value("select count(*) from trigperf.consumer_list() where not needs_resync") == str(len(KINDS)),
               "the acknowledgements of the first resync")


@test("SIGKILL again and again: nothing lost, no resync but the first")
def _(installed):
    with Lab(installed, KINDS, host=Mortal) as lab:
        know(installed)

        def kill():
            for host in lab.hosts:
                code = host.life.kill()
                equal(code, -signal.SIGKILL, f"{host.kind} ended by itself: {host.life.errors()}; exit code")
                host.start()

        for _ in range(times(full=50, slice=5)):
            lab.fault(kill, calm=0.8, settle=0.3)
        lab.verify("SIGKILL", resyncs=1)


def change_over(lab, slowest, pausing):
    """Each consumer is started again while the former process runs, which has to find out."""
    for host in lab.hosts:
        old = host.life
        if pausing:
            old.send(signal.SIGSTOP)
        new = host.start()
        eventually(lambda host=host, new=new: new.first_line, f"the new process of {host.kind}")
        began = new.first_line
        if pausing:
            time.sleep(0.3)
            began = time.monotonic()
            old.send(signal.SIGCONT)
        equal(old.wait(), 1, f"exit code of the process of {host.kind} that was superseded")
        contains(old.errors(), '"web"', "its error")
        check(new.process.poll() is None, f"the newer process of {host.kind} ended: {new.errors()}")
        slowest[host.kind] = max(slowest.get(host.kind, 0.0), old.ended - began)


@test("two processes of one name change over: the newest wins, the other one ends soon, nothing is lost")
def _(installed):
    with Lab(installed, KINDS, host=Mortal) as lab:
        know(installed)
        slowest, both = {}, times(full=30, slice=2)
        for count in range(both):
            lab.fault(lambda count=count: change_over(lab, slowest, count % 2), settle=0.3)
        lab.verify("changed over", resyncs=1)
        figures = ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in slowest.items())
        print(f"# changed over | {both} times; longest that both ran: {figures}")
        check(max(slowest.values()) < harness.PATIENCE, "both ran for long")


if __name__ == "__main__":
    harness.main()
