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


if __name__ == "__main__":
    bench.in_memory("coalesce", [("large window", large), ("small window", small)])
