#!/usr/bin/python3
# suite: versions
"""Fifty contexts on one database: one is elected; killed, another takes over, and nobody misses anything."""

import harness
from follower import Follower, turn_all
from harness import check, equal, test

COUNT = 50
NOTIFIER = "select instance from trigperf.notifier"


class Crowd:
    """A process that follows, and many contexts beside it. Which of them is elected may change by itself on
    a machine that is busy: one that misses its beats is replaced."""

    def __init__(self, database, process):
        self.database, self.process, self.written = database, process, 0
        self.contexts = [Follower(database, f"c{n}" if n % 2 else "") for n in range(COUNT - 1)]

    def elected(self):
        return self.database.value(NOTIFIER)

    def told(self):
        """Whether every context has the newest change."""
        return all(f"call:{self.written}" in f.keys() for f in self.contexts)

    def write(self):
        self.written += 1
        self.database.sql(f"insert into calls values ({self.written})")
        turn_all(self.contexts, self.told, "a change")

    def announced(self):
        """Changes until all but who leads were told of one by an announcement; one at most believes to lead."""
        before = {f: f.status()["announcements"] for f in self.contexts}

        def all_were():
            self.write()
            status = {f: f.status() for f in self.contexts}
            led = [f for f in self.contexts if not status[f]["notifier"]]
            return len(led) >= len(self.contexts) - 1 and all(status[f]["announcements"] > before[f] for f in led)
        turn_all(self.contexts, all_were, "announcements to all")

    def kill(self):
        """Kills whoever is elected: without a word, as a process that dies."""
        elected = self.elected()
        for context in self.contexts:
            if context.status()["instance"] == elected:
                self.contexts.remove(context)
                context.free()
                return elected
        self.process.kill()
        return elected

    def free(self):
        for context in self.contexts:
            context.free()


def beat(database):
    return float(database.value("select extract(epoch from beat) from trigperf.notifier"))


@test("of fifty contexts one is elected and serves the others; killed, another takes over within the lease")
def _(installed):
    installed.sql("create table calls (id bigint primary key)")
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}")
    with installed.tail_start("--consumer", "leader", "--follow") as process:
        process.until(lambda line: line["resync"], "the first resync")
        harness.eventually(lambda: installed.value(NOTIFIER), "an election")
        crowd = Crowd(installed, process)
        try:
            turn_all(crowd.contexts, lambda: all(f.state() == 2 and f.resyncs() for f in crowd.contexts), "ready")
            crowd.announced()
            last, killed, changes = beat(installed), crowd.kill(), 0
            while crowd.elected() == killed:
                crowd.write()
                changes += 1
            check(changes > 0, "no change was made while nobody led")
            print(f"# another leads {beat(installed) - last:.2f} s after the last beat of the one killed; "
                  f"{changes} changes meanwhile")
            crowd.announced()
            expected = {f"call:{n}" for n in range(1, crowd.written + 1)}
            equal([sorted(expected - f.keys()) for f in crowd.contexts if sorted(expected - f.keys())], [], "missed changes")
            equal([f.resyncs() for f in crowd.contexts if f.resyncs() != ["*"]], [], "other resyncs than the first")
            check(int(installed.value("select claim from trigperf.notifier")) >= 2, "no second election")
        finally:
            crowd.free()


if __name__ == "__main__":
    harness.main()
