#!/usr/bin/python3
# suite: versions
"""pg_terminate_backend on connections at random, ours and those of the writers, again and again."""

import random

from lab import ALL, Lab, harness, times
from pq import Connection, Lost
from harness import check, test

ONE = "select pg_terminate_backend(pid) from (select pid from pg_stat_activity where {} order by random() limit 1) p"
ALL_OF = "select pg_terminate_backend(pid) from pg_stat_activity where {}"
OURS = "application_name = 'trigperf' and datname = current_database()"
LOG = "backend_type = 'walsender'"
ANY = "pid <> pg_backend_pid() and (datname = current_database() or backend_type = 'walsender')"
CUTS = [ONE.format(OURS), ONE.format(OURS), ONE.format(LOG), ONE.format(ANY), ALL_OF.format(OURS),
        ALL_OF.format(LOG), ALL_OF.format(ANY)]


def terminate(database, cut):
    with Connection(database.conninfo()) as connection:
        try:
            connection.run(cut)
        except Lost:
            pass


@test("connections terminated at random: nothing lost, no resync but the first for durable consumers")
def _(installed):
    with Lab(installed, ALL) as lab:
        for count in range(times(full=100, slice=10)):
            cut = random.choice(CUTS) if count else ALL_OF.format(OURS)  # each host is hit once at least
            lab.fault(lambda cut=cut: terminate(installed, cut))
        reconnects = [host.status()["reconnects"] for host in lab.hosts]
        lab.verify("terminated", resyncs=1)
        print(f"# terminated | reconnects {reconnects}")
        check(all(reconnects), f"a host was never hit: {reconnects}")


if __name__ == "__main__":
    harness.main()
