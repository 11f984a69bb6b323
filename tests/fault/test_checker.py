#!/usr/bin/python3
# suite: versions
"""The checker itself: it must find what is lost and what is stale, or the other scenarios prove nothing."""

import lab
from lab import ALL, Host, Lab, harness
from harness import check, test

UNMADE = 10 ** 8  # a number, and a transaction, that no writer comes to


class Dropping(Host):
    """Acknowledges one batch in three without doing anything about it."""

    count = 0

    def apply(self, batch):
        self.count += 1
        if batch["resync"] or self.count % 3:
            super().apply(batch)


class Forgetful(Host):
    """Notes what it is told, and does not forget it."""

    def apply(self, batch):
        if batch["resync"]:
            super().apply(batch)
        else:
            self.recorder.told(batch)


class Inventive(Host):
    """Is told of a change that nobody made, and of one that is not visible yet."""

    def apply(self, batch):
        batch["keys"].append(f"number:{UNMADE}")
        super().apply(batch)

    def look(self, batch):
        number = self.ledger.number(tx=UNMADE)
        super().look({"keys": [*batch["keys"], f"number:{number}"]})


def judged(database, host, kinds=ALL):
    """Writers and such hosts for a while; what the checker says about them."""
    with Lab(database, kinds, host=host) as work:
        harness.eventually(lambda: work.fine() or len(work.ledger.committed()) > 300 and all(
            host.fills > 100 for host in work.hosts), "some transactions")
        work.pause()
        before = lab.time.monotonic()
        for one in work.hosts:
            one.settled()
        during = [one.stale(work.ledger, before) for one in work.hosts]
        work.faults += 1
        for writer in work.writers:
            writer.stop.set()
        for one in work.hosts:
            one.stop.set()
            one.join()
        figures = [work.judge(one) for one in work.hosts]
        for one, result in zip(work.hosts, figures):
            work.report(f"control: {host.__name__}", one, result)
        return figures, during


@test("a host that drops batches: the checker finds what is lost, and what is stale")
def _(installed):
    results, _ = judged(installed, Dropping)
    check(all(figures["lost"] > 0 and figures["stale"] > 0 for figures in results), f"nothing is lost or stale: {results}")


@test("a host that is told and does not forget: the checker finds stale entries, during the run and after it")
def _(installed):
    results, during = judged(installed, Forgetful)
    for figures, stale in zip(results, during):
        check(figures["lost"] == 0, f"it was told everything: {figures}")
        check(figures["stale"] > 0 and stale, f"nothing is stale: {figures}, {len(stale)}")


@test("a host that is told what was never done, or is not done yet: the checker finds it spurious, and early")
def _(installed):
    results, _ = judged(installed, Inventive)
    check(all(figures["spurious"] > 0 and figures["early"] > 0 for figures in results), f"nothing is: {results}")


@test("an honest host: nothing is lost, nothing is stale, by the same measure")
def _(installed):
    results, during = judged(installed, Host)
    for figures, stale in zip(results, during):
        check(figures["lost"] == 0 and figures["stale"] == 0 and not stale, f"{figures} {stale}")
        check(figures["spurious"] == 0 and figures["early"] == 0, f"spurious or early: {figures}")


if __name__ == "__main__":
    harness.main()
