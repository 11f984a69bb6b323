#!/usr/bin/python3
# suite: versions
"""Faults of all kinds, one upon another: several at random before anybody has got over the first."""

import random
import time

from lab import ALL, FAILED, LIB, TABLES, Host, Lab, harness, times
from pq import Connection, Lost, Refused
from redefining import REFUSALS, Schema, edit_publication, rename_key_column, rename_table, rewrite
from follower import Follower
from harness import check, test

SLOT = ("select {} from pg_replication_slots where database = current_database() and not temporary "
        "and not active and slot_name like 'trigperf%'")
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where {}"
OURS = "application_name = 'trigperf' and datname = current_database()"
LOG = "backend_type = 'walsender'"
ANY = "pid <> pg_backend_pid() and (datname = current_database() or backend_type = 'walsender')"


class Steadfast(Host):
    """Claims its name back from whoever took it."""

    def turn(self, timeout_ms=20):
        super().turn(timeout_ms)
        if self.state() == FAILED and "newer process" in str(self.error):
            LIB.check("trigperf_context_retry", self.context)
            self.error = None
        return self


def quietly(database, *statements):
    """Statements of which some may fail, since something else has happened meanwhile."""
    for statement in statements:
        try:
            with Connection(database.conninfo()) as connection:
                connection.run("set lock_timeout = '1s'; " + statement)
        except (Lost, Refused):
            pass


def done(*statements):
    return lambda cluster, database: quietly(database, *statements)


def restarted(mode):
    def run(cluster, database):
        del database
        cluster.halt(mode)
        cluster.resume()
    return run


def take_slot(act):
    """While its reader is cut off, the slot of the named consumer is taken away, or moved."""
    def run(cluster, database):
        del cluster
        for _ in range(20):
            quietly(database, CUT.format(LOG), SLOT.format(act))
    return run


def consumers(*args):
    def run(cluster, database):
        del cluster
        for source in ("outbox", "wal"):
            database.trigperf("consumers", *args, "web", "--source", source, ok=None)
    return run


def usurp(cluster, database):
    """Somebody else has the names for a moment, and acknowledges what comes."""
    del cluster
    for source in ("outbox", "wal"):
        with Follower(database, "web", source=source) as other:
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                other.turn()
            if random.random() < 0.5:
                other.close()


def defined_anew(act, sources=("outbox", "wal")):
    def run(cluster, database):
        del cluster
        schema = Schema(database)
        for source in sources:
            act(schema, source)
    return run


FAULTS = {
    "crash": restarted("immediate"),
    "restart": restarted("fast"),
    "cut hosts": done(CUT.format(OURS)),
    "cut log": done(CUT.format(LOG)),
    "cut all": done(CUT.format(ANY)),
    "slot gone": take_slot("pg_drop_replication_slot(slot_name)"),
    "slot moved": take_slot("pg_replication_slot_advance(slot_name, pg_current_wal_lsn())"),
    "reset": consumers("reset"),
    "dropped": consumers("drop", "--force"),
    "usurped": usurp,
    "disarmed": done(f"alter table {TABLES['outbox']} disable trigger all",
                     f"alter table {TABLES['wal']} replica identity default", "select pg_sleep(0.1)",
                     f"alter table {TABLES['outbox']} enable trigger all",
                     f"alter table {TABLES['wal']} replica identity full"),
    "key renamed": defined_anew(rename_key_column, TABLES),
    "table renamed": defined_anew(rename_table),
    "rewritten": defined_anew(rewrite, TABLES),
    "publication": defined_anew(edit_publication),
    "resync": done("select trigperf.resync()"),
}


def burst(cluster, database, names):
    for name in names:
        FAULTS[name](cluster, database)
        time.sleep(random.random() * 0.2)


@test("faults of all kinds upon each other: nothing lost, nothing stale, everybody is well again")
def _(cluster):
    installed = cluster.installed()
    with Lab(installed, ALL, host=Steadfast, refusals=REFUSALS) as lab:
        for _ in range(times(full=40, slice=3)):
            names = random.choices(list(FAULTS), k=random.choice((2, 3, 4)))
            print(f"# {', '.join(names)}", flush=True)
            lab.fault(lambda names=names: burst(cluster, installed, names), settle=0)
            lab.made_up(time.monotonic())
        lab.verify("mixed", late=True)
        check(lab.faults > 0, "no faults")


if __name__ == "__main__":
    harness.main()
