#!/usr/bin/python3
"""Merging changes by key: ours, uthash, GLib, Abseil, on one core.

10,000,000 changes of 100,000 keys of 48 bytes, chosen evenly, walked and emptied after every 100,000.
All build their keys alike, and keep count, oldest arrival, newest position and operations of each.
"""

import bench
import engines

NAMES = {"uthash-jenkins": "uthash", "uthash-xxh3": "uthash with XXH3",
         "uthash-xxh3-pool": "uthash with XXH3, elements in one block", "glib": "GHashTable",
         "absl": "absl::flat_hash_map", "ours": "ours, 32 changes at hand", "ours-single": "ours, one by one",
         "nothing": "key and hash alone"}


def coalesce(run, keys, flush, label):
    changes = 10_000_000 if run.chosen.full else 4_000_000
    program = engines.Program(run, "coalesce")
    results = run.rounds(program.contestants, lambda name: program(name, changes, keys, flush))
    ns = {name: [one["ns"] for one in results[name]] for name in results}
    sums = {name: results[name][0]["sum"] for name in results if name != "nothing"}
    if len(set(sums.values())) != 1:
        raise RuntimeError(f"they do not agree: {sums}")
    run.say(f"  {label}: million changes/s on one core; median (best) of {run.chosen.rounds}; bytes a key")
    for name in program.contestants:
        last = results[name][-1]
        size = f"{last['bytes'] / last['distinct']:8.1f}" if last["distinct"] else ""
        run.say(f"    {NAMES[name]:42} {1000 / bench.median(ns[name]):8.2f} ({1000 / min(ns[name]):6.2f}) {size}")
    for ours in ("ours", "ours-single"):
        for peer in program.contestants:
            if not peer.startswith("ours") and peer != "nothing":
                run.figure(f"{label}, {NAMES[ours]}", 1000 / bench.median(ns[ours]),
                           1000 / bench.median(ns[peer]), NAMES[peer], "M changes/s", True)


def large(run):
    coalesce(run, 100_000, 100_000, "100,000 keys, a flush every 100,000")


def small(run):
    coalesce(run, 2_000, 10_000, "2,000 keys, a flush every 10,000")


PIPELINE = [  # keys, keys that close a window, changes, changes after which it is closed in any case
    ("40 keys, one window: all merges", 40, 1000, 1_000_000, 100_000),
    ("100,000 keys, windows of 50: hardly a merge", 100_000, 50, 400_000, 100_000),
    ("100,000 keys, one window: nearly all merges", 100_000, 1_000_000, 1_000_000, 1_000_000),
]


def pipeline(run):
    """The whole way of a change, from arriving to an acknowledged batch; there is no peer for that."""
    program = engines.Program(run, "pipeline")
    run.say(f"  ns a change through the pipeline, 1 and 2 rules; median of {run.chosen.rounds}")
    for label, keys, window, changes, flush in PIPELINE:
        for rules in (1, 2):
            results = run.rounds(["ahead", "single"],
                                 lambda how: program(how, rules, keys, window, changes, flush)["ns"])
            run.figure(f"{label}, {rules} rule{'s' if rules > 1 else ''}, looking ahead",
                       bench.median(results["ahead"]), bench.median(results["single"]), "the same one by one",
                       "ns/change", False)


if __name__ == "__main__":
    bench.in_memory("coalesce", [("large window", large), ("small window", small), ("pipeline", pipeline)])
