#!/usr/bin/python3
# suite: versions
# suite: sanitize
"""A named tail of the write-ahead log killed with SIGKILL every second while four writers commit.

The writers are those of test_tail_kill. Figures are printed; nothing is asserted on speed.

TRIGPERF_KILL_SECONDS: how long the writers write (5).
"""

import os

from killing import ATTACH, TABLE, Ledger, Reader, figures, kill_for, verify, write_while
import harness
from harness import check, test

SECONDS = float(os.environ.get("TRIGPERF_KILL_SECONDS", "5"))
WAL = ["-o", "source=wal"]


@test("killed every second: nothing committed is missing, no resync but the first")
def _(installed):
    installed.sql(TABLE + "; alter table items replica identity full")
    installed.attach(*ATTACH, "--granularity", "wal")
    ledger, reader = Ledger(), Reader(installed, "-o", "ack.interval_ms=20", *WAL)
    reader.drain()
    installed.sql("begin; insert into items values (-2, -2, -2); prepare transaction 'left'")
    with installed.session() as holder:
        holder.run("begin; insert into items values (-1, -1, -1)")
        write_while(installed, ledger, lambda: kill_for(reader, SECONDS, 1.0))
        reader.drain()
        figures(ledger, reader)
        verify(ledger, reader)
        check(not {"item:-1", "item:-2"} & set(reader.seen), "an open transaction was delivered")
        holder.run("commit")
    installed.sql("commit prepared 'left'")
    reader.drain()
    check({"item:-1", "item:-2"} <= set(reader.seen), "a transaction is missing after its commit")
    check(ledger.transactions["held"] and ledger.transactions["rolled back"], "kinds of transactions")


if __name__ == "__main__":
    harness.main()
