#!/usr/bin/python3
# suite: versions
"""Fifty contexts on one database: one is elected; killed, another takes over, and nobody misses anything."""

import harness
from follower import Follower, turn_all
from harness import check, equal, test

COUNT = 50
NOTIFIER = "select instance from trigperf.notifier"


@test("of fifty contexts one is elected and serves the others; killed, another takes over within the lease")
def _(installed):
    installed.sql("create table calls (id bigint primary key)")
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}")
    with installed.tail_start("--consumer", "leader", "--follow") as leader:
        leader.until(lambda line: line["resync"], "the first resync")
        harness.eventually(lambda: installed.value(NOTIFIER), "an election")
        elected = installed.value(NOTIFIER)
        followers = [Follower(installed, f"c{n}" if n % 2 else "") for n in range(COUNT - 1)]
        try:
            turn_all(followers, lambda: all(f.state() == 2 and f.resyncs() for f in followers), "ready")
            equal([f.status()["notifier"] for f in followers], [False] * (COUNT - 1), "further leaders")
            written = [0]

            def write():
                written[0] += 1
                installed.sql(f"insert into calls values ({written[0]})")

            def told():
                return all(f"call:{written[0]}" in f.keys() for f in followers)

            def announced():
                write()
                turn_all(followers, told, "a change")
                return all(f.status()["announcements"] > 0 for f in followers)

            turn_all(followers, announced, "announcements to all")
            equal(installed.value(NOTIFIER), elected, "the one elected")
            beat = installed.value("select extract(epoch from beat) from trigperf.notifier")
            leader.kill()
            changes = 0
            while installed.value(NOTIFIER) == elected:
                write()
                turn_all(followers, told, "a change while nobody leads")
                changes += 1
            took = float(installed.value("select extract(epoch from beat) from trigperf.notifier")) - float(beat)
            check(changes > 0, "no change was made while nobody led")
            print(f"# another leads {took:.2f} s after the last beat of the one killed; {changes} changes meanwhile")
            turn_all(followers, lambda: sum(f.status()["notifier"] for f in followers) == 1, "one leader")
            turn_all(followers, announced, "announcements of the new one")
            expected = {f"call:{n}" for n in range(1, written[0] + 1)}
            equal([sorted(expected - f.keys()) for f in followers], [[]] * (COUNT - 1), "missed changes")
            equal([f.resyncs() for f in followers], [["*"]] * (COUNT - 1), "resyncs")
            check(int(installed.value("select claim from trigperf.notifier")) >= 2, "no second election")
        finally:
            for follower in followers:
                follower.free()


if __name__ == "__main__":
    harness.main()
