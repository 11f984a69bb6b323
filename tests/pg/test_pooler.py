#!/usr/bin/python3
"""Behind pgbouncer: session mode works, transaction mode is refused with a sentence."""

import harness
from follower import FAILED, Follower
from harness import check, contains, equal, test
from pooling import pooler


def attached(database):
    database.sql("create table calls (id bigint primary key)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}")


@test("session mode: changes arrive")
def _(installed):
    attached(installed)
    with pooler(installed, "session") as conninfo:
        with Follower(installed, "web", conninfo=conninfo) as follower:
            follower.ready()
            installed.sql("insert into calls values (1)")
            follower.until_keys("call:1")
            follower.close()


@test("transaction mode: refused, and the sentence says what to do")
def _(installed):
    attached(installed)
    with pooler(installed, "transaction") as conninfo:
        with Follower(installed, "web", conninfo=conninfo) as follower:
            follower.until(lambda f: f.error is not None, "the refusal")
            equal(follower.state(), FAILED, "state")
            contains(follower.error.message, "transaction mode")
            contains(follower.error.hint, "session")
            check(not follower.batches, "batches came nevertheless")


if __name__ == "__main__":
    harness.main()
