#!/usr/bin/python3
"""The Python host of the examples: ctypes and nothing else."""

import os
import subprocess

import harness
from harness import Tail, check, contains, equal, test

HOST = os.path.join(harness.ROOT, "examples", "python_host", "host.py")


def start(db, **env):
    folder = os.path.dirname(harness.LIBRARY)
    return Tail(["/usr/bin/python3", HOST], db.env(LD_LIBRARY_PATH=folder, **env))


def attached(db):
    db.sql("create table calls(id int primary key, user_id int, status text, seen timestamptz)")
    db.attach("public.calls", "--key", "id", "--key", "user_id", "--watch", "status",
              "--rule", "call:{id}", "--rule", "dashboard:{user_id}")


@test("prints every batch as JSON")
def _(installed):
    attached(installed)
    with start(installed) as host:
        equal([r["table"] for r in host.next()["resync"]], ["*"], "first line")
        installed.sql("insert into calls values (1, 7, 'a'), (2, 7, 'b')")
        host.until_keys(["call:1", "call:2", "dashboard:7"])
        installed.sql("update calls set seen = now()")
        installed.sql("update calls set user_id = 8 where id = 2")
        host.until_keys(["dashboard:8"])
        check(all(line["reason"] != "resync" for line in host.lines[1:]), "a resync came later")


@test("acknowledges: a named host continues where it ended")
def _(installed):
    attached(installed)
    with start(installed, TRIGPERF_CONSUMER="py", TRIGPERF_ACK_INTERVAL_MS="10") as host:
        host.next()
        installed.sql("insert into calls values (1, 7, 'a')")
        host.until_keys(["call:1"])
        harness.eventually(lambda: settled(installed), "the position is stored")
    installed.sql("insert into calls values (2, 7, 'a')")
    with start(installed, TRIGPERF_CONSUMER="py") as host:
        host.until_keys(["call:2"])
        check("call:1" not in host.keys(), "what was acknowledged came again")
        check(not any(line["resync"] for line in host.lines), "a resync came")


def settled(db):
    """Whether the stored position of the consumer has passed every row of the outbox."""
    return db.value("""select not needs_resync and not exists (
        select 1 from trigperf.outbox o where not pg_visible_in_snapshot(o.xid, c.position))
        from trigperf.consumer c where name = 'py'""") == "t"


@test("an error becomes a sentence and an exit code")
def _(db):
    done = subprocess.run(["/usr/bin/python3", HOST], stdin=subprocess.DEVNULL, capture_output=True,
                          env=db.env(LD_LIBRARY_PATH=os.path.dirname(harness.LIBRARY)),
                          encoding="utf-8", timeout=harness.PATIENCE, check=False)
    check(done.returncode != 0, f"a database without the schema was accepted: {done!r}")
    contains(done.stderr, "trigperf", "standard error")


if __name__ == "__main__":
    harness.main()
