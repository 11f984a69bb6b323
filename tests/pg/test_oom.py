#!/usr/bin/python3
"""Out of memory is an error that passes: every allocation of a connected context fails once."""

import os

import harness
from harness import check, test

HOST = os.path.join(harness.BUILD, "tests", "oom_host")


@test("each failing allocation: the context comes back, nothing is lost")
def _(installed):
    installed.sql("create table calls (id bigint primary key, user_id bigint)")
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity",
                     "statement")
    result = harness.run([HOST, installed.conninfo()], timeout=280)
    check(result.code == 0, f"{result.out} {result.err}")
    check(int(result.out) > 100, f"only {result.out} allocations were tried")
    print(f"# {result.out.strip()} allocations failed, one at a time")


if __name__ == "__main__":
    harness.main()
