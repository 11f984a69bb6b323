#!/usr/bin/python3
"""Checking a value in full, against finding its verdict in the cache; patterns beside the C library's.

Nanoseconds of processor time for one value on one core. 500 distinct values, over and over, so that
every verdict is found; then batches of 512 rows.
"""

import os
import subprocess

import bench
import harness

PROGRAM = os.path.join(harness.BUILD, "bench_validate")
KINDS = {"integer": "whole number in a range", "numeric": "numeric(10,2) in a range", "set": "one of six words",
         "length": "length of 14 characters", "pattern": "pattern over 23 characters",
         "function": "function of about 0.5 us"}


def ns(kind, way, distinct=500):
    return float(subprocess.run([PROGRAM, kind, way, str(distinct)], stdout=subprocess.PIPE, encoding="utf-8",
                                check=True, timeout=300).stdout)


def values(run):
    ways = ["direct", "kept", "batch", "batch-kept"]
    run.say(f"  ns a value, median of {run.chosen.rounds}: checked, verdict found, batch checked, batch found")
    for kind, label in KINDS.items():
        contestants = ways + (["regexec"] if kind == "pattern" else [])
        results = run.rounds(contestants, lambda way, kind=kind: ns(kind, way))
        middle = {way: bench.median(results[way]) for way in contestants}
        run.say(f"    {label:28}" + "".join(f"{middle[way]:10.1f}" for way in ways))
        run.figure(f"{label}, verdict found", middle["kept"], middle["direct"], "checking it", "ns", False)
        run.figure(f"{label}, in batches", middle["batch"], middle["direct"], "one by one", "ns", False)
        if "regexec" in middle:
            run.figure(label, middle["direct"], middle["regexec"], "regexec of the C library", "ns", False)


if __name__ == "__main__":
    bench.in_memory("validate", [("values", values)])
