#!/usr/bin/python3
# suite: versions
# suite: sanitize
# suite: tsan
"""The call_center application: a short run keeps its promises and refuses what it cannot do."""

import os
import re
import signal
import subprocess

import harness
from harness import check, contains, equal, eventually, test

PROGRAM = os.path.join(harness.BUILD, "examples", "call_center")
SHORT = ["--short"]


def example(db, *args, ok=True):
    if not os.path.exists(PROGRAM):
        harness.skip("this build has no examples")
    return harness.run([PROGRAM, *args], env=db.env(), ok=ok, timeout=1200)


def kept(result):
    contains(result.out, "every promise held", "summary")
    contains(result.out, "\n  stale entries: 0\n", "summary")
    contains(result.out, "\n  resyncs after start    0\n", "summary")
    control = re.search(r"negative control\s+(\d+) stale of (\d+)", result.out)
    check(int(control.group(1)) > 0, f"the control found nothing: {result!r}")
    rate = re.search(r"hit rate\s+([\d.]+) % of (\d+) reads", result.out)
    check(float(rate.group(1)) >= 80 and int(rate.group(2)) > 1000, f"hit rate: {result!r}")
    equal(result.err, "", "standard error")


@test("a short run with the host's own loop")
def _(db):
    kept(example(db, *SHORT))


@test("a short run with the library's thread")
def _(db):
    kept(example(db, *SHORT, "--library-thread"))


@test("a database that is not empty is refused")
def _(db):
    db.sql("create schema call_center")
    result = example(db, *SHORT, ok=1)
    contains(result.err, "expected an empty database", "standard error")
    equal(db.value("select count(*) from pg_class where relnamespace = 'call_center'::regnamespace"),
          "0", "tables")


@test("an unreachable server is a sentence")
def _(db):
    result = example(db, "-d", "host=/nonexistent", ok=1)
    contains(result.err, "cannot connect", "standard error")


@test("wrong usage exits 2")
def _(db):
    for args in (["--seconds", "nine"], ["--calls", "-1"], ["--nonsense"], ["more"],
                 ["--users", "20", "--agents", "10"]):
        example(db, *args, ok=2)
    contains(example(db, "--help").out, "usage: call_center", "help")


@test("an interrupt ends it early")
def _(db):
    example(db, "--help")
    with subprocess.Popen([PROGRAM, *SHORT, "--seconds", "40"], env=db.env(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as child:
        try:
            eventually(lambda: "warm up" in child.stdout.readline(), "the cache is in use")
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=harness.PATIENCE)
        finally:
            child.kill()
    equal(child.returncode, 1, "exit code")
    contains(err, "interrupted", "standard error")


if __name__ == "__main__":
    harness.main()
