#!/usr/bin/python3
# suite: versions
# suite: sanitize
"""The health_metrics application: a short run keeps its promises and refuses what it cannot do."""

import os
import re

import harness
from harness import check, contains, equal, test

PROGRAM = os.path.join(harness.BUILD, "examples", "health_metrics")
SHORT = ["--batches", "3", "--rows", "400"]


def example(db, *args, ok=True):
    if not os.path.exists(PROGRAM):
        harness.skip("this build has no examples")
    return harness.run([PROGRAM, *args], env=db.env(), ok=ok, timeout=1200)


@test("a short run keeps every promise")
def _(db):
    result = example(db, *SHORT)
    check("BROKEN" not in result.out, repr(result))
    equal(result.out.count("  kept: "), 6, "promises")
    equal(result.err, "", "standard error")
    contains(result.out, "left to the database: nutrition_food_check1, the function lower", "what is left")
    figures = re.search(r"intake: (\d+) records, (\d+) invalid, (\d+) duplicates, (\d+) stored", result.out)
    records, invalid, duplicates, stored = map(int, figures.groups())
    equal(records, 3 * 3 * 400, "records")
    check(0 < invalid < records and 0 < duplicates < records, f"figures: {figures.group(0)}")
    rows = sum(int(db.value(f"select count(*) from health_metrics.{table}"))
               for table in ("nutrition", "symptoms", "activity"))
    equal(rows, stored, "rows of the tables")


@test("other seeds keep them as well")
def _(db):
    check("BROKEN" not in example(db, "--batches", "2", "--rows", "1000", "--seed", "77").out, "a promise")


@test("a database that is not empty is refused")
def _(db):
    db.sql("create schema health_metrics")
    contains(example(db, *SHORT, ok=1).err, "expected an empty database", "standard error")


@test("an unreachable server is a sentence")
def _(db):
    contains(example(db, "-d", "host=/nonexistent", ok=1).err, "cannot connect", "standard error")


@test("wrong usage exits 2")
def _(db):
    for args in (["--rows", "five"], ["--batches", "0"], ["--nonsense"], ["more"], ["--seed", "-1"]):
        example(db, *args, ok=2)
    contains(example(db, "--help").out, "usage: health_metrics", "help")


if __name__ == "__main__":
    harness.main()
