#!/usr/bin/python3
# suite: versions
"""Attached tables redefined while writers write: columns and tables renamed, dropped, added, rewritten."""

import time

from lab import TABLES, Lab, harness, times
from pq import Connection
from redefining import (REFUSALS, Schema, add_and_drop_column, add_watched_column, change_form, drop_and_make,
                        edit_publication, rename_key_column, rename_table, rename_watched_column, rewrite)
from harness import check, test

KINDS = ("outbox web", "outbox", "wal web", "wal")
ACTIONS = (rename_key_column, rename_table, add_and_drop_column, add_watched_column, rewrite, rename_watched_column,
           change_form, edit_publication)


def made_again(lab, installed, schema):
    """Tables dropped and made again: rows are forgotten with them, until the new ones are attached."""
    lab.pause()
    for source in ("outbox", "wal"):
        drop_and_make(schema, source)
    with Connection(lab.direct) as connection:
        lab.ledger.reconcile(connection, TABLES["outbox"])
    lab.settle()
    lab.faults += 1
    for host in lab.hosts:
        check(not host.differs(lab.rows(host)), f"{host.kind}: entries of a table that was dropped")
    lab.resume()


@test("columns and tables renamed, added, dropped, rewritten, attached anew under load: nothing lost")
def _(installed):
    with Lab(installed, KINDS, refusals=REFUSALS) as lab:
        schema, slowest = Schema(installed), {}
        for count in range(times(full=10 * len(ACTIONS), slice=len(ACTIONS))):
            action = ACTIONS[count % len(ACTIONS)]
            for source in ("outbox", "wal"):
                began = time.monotonic()
                lab.fault(lambda action=action, source=source: action(schema, source), settle=0)
                slowest[action.__name__] = max(slowest.get(action.__name__, 0.0), time.monotonic() - began)
            lab.made_up(time.monotonic())
        made_again(lab, installed, schema)
        time.sleep(1)
        lab.verify("redefined", late=True)
        print(f"# redefined | statements refused to writers {sum(writer.refused for writer in lab.writers)}")


if __name__ == "__main__":
    harness.main()
