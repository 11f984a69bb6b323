#!/usr/bin/python3
# suite: versions
"""The server stopped and started again, by turns in an orderly way and as in a crash."""

from lab import ALL, Lab, harness, times
from harness import check, test


def restart(cluster, mode):
    cluster.halt(mode)
    cluster.resume()


@test("fast restarts: nothing lost, no resync but the first for durable consumers")
def _(cluster):
    with Lab(cluster.installed(), ALL) as lab:
        for _ in range(times(full=20, slice=1)):
            lab.fault(lambda: restart(cluster, "fast"), calm=1.0)
        lab.verify("restarted, fast", resyncs=1)


@test("immediate restarts: nothing lost, nothing stale")
def _(cluster):
    with Lab(cluster.installed(), ALL) as lab:
        for _ in range(times(full=20, slice=1)):
            lab.fault(lambda: restart(cluster, "immediate"), calm=1.0)
        lab.verify("restarted, immediate")
        check(all(len(host.recorder.resyncs) > 1 for host in lab.hosts), "a crash without a resync")


if __name__ == "__main__":
    harness.main()
