#!/usr/bin/python3
# suite: versions
"""A named tail killed with SIGKILL every half second while four writers commit.

30 % of the transactions are held open a while, 10 % are rolled back, one stays open for the whole
time and a prepared one is left behind. Every committed change carries a number of its own, so that a
single lost one shows. Figures are printed; nothing is asserted on speed.

TRIGPERF_KILL_SECONDS: how long the writers write (5).
TRIGPERF_HOLD_SECONDS: how long at least the one transaction stays open (5).
"""

import os
import time

from killing import ATTACH, TABLE, Ledger, Reader, figures, kill_for, verify, write_while
import harness
from harness import check, test

SECONDS = float(os.environ.get("TRIGPERF_KILL_SECONDS", "5"))
HOLD = float(os.environ.get("TRIGPERF_HOLD_SECONDS", "5"))


@test("killed every half second: nothing committed is missing, no resync but the first")
def _(installed):
    installed.sql(TABLE)
    installed.attach(*ATTACH)
    ledger, reader = Ledger(), Reader(installed)
    reader.drain()
    write_while(installed, ledger, lambda: kill_for(reader, SECONDS))
    reader.drain()
    figures(ledger, reader)
    verify(ledger, reader)
    check(ledger.transactions["held"] and ledger.transactions["rolled back"], "kinds of transactions")


@test("the same with quick acknowledgements, so that every life moves the position")
def _(installed):
    installed.sql(TABLE)
    installed.attach(*ATTACH, "--granularity", "row")
    ledger = Ledger()
    reader = Reader(installed, "--max-keys", "20", "-o", "ack.interval_ms=5")
    reader.drain()
    write_while(installed, ledger, lambda: kill_for(reader, SECONDS / 2))
    reader.drain()
    figures(ledger, reader)
    verify(ledger, reader)


@test("a transaction held open and a prepared one left behind delay nobody else")
def _(installed):
    installed.sql(TABLE)
    installed.attach(*ATTACH)
    ledger, reader = Ledger(), Reader(installed)
    reader.drain()
    installed.sql("""begin; insert into items values (-2, -2, -2); prepare transaction 'left'""")
    with installed.session() as holder:
        holder.run("begin; insert into items values (-1, -1, -1)")
        since = time.monotonic()
        write_while(installed, ledger, lambda: kill_for(reader, SECONDS / 2))
        while time.monotonic() - since < HOLD:
            reader.live(0.5)
        reader.drain()
        figures(ledger, reader)
        print(f"# held open for {time.monotonic() - since:.1f} s", flush=True)
        verify(ledger, reader)
        check(not {"item:-1", "item:-2"} & set(reader.seen), "an open transaction was delivered")
        holder.run("commit")
    reader.drain()
    check("item:-1" in reader.seen, "the held transaction is missing after its commit")
    check("item:-2" not in reader.seen, "the prepared transaction was delivered too early")
    installed.sql("commit prepared 'left'")
    reader.drain()
    check("item:-2" in reader.seen, "the prepared transaction is missing after its commit")
    verify(ledger, reader)


if __name__ == "__main__":
    harness.main()
