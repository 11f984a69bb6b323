#!/usr/bin/python3
"""Telling which records of a batch came before in it: ours, uthash, GLib, Abseil, on one core.

Keys of 40 bytes, one record in twenty an earlier one again. The first batch begins without memory, the
next is the same one in what the first left. Then the statistics of twelve families.
"""

import ctypes

import bench
import engines
import harness

NAMES = {"ours": "ours, many at once", "ours-single": "ours, one by one",
         "ours-expected": "ours, many, number expected", "ours-exact": "ours, whole keys, many at once",
         "ours-exact-single": "ours, whole keys, one by one", "uthash-jenkins": "uthash",
         "uthash-xxh3": "uthash with XXH3", "glib": "GHashTable", "absl": "absl::flat_hash_set of keys",
         "absl-xxh128": "absl::flat_hash_set of XXH3-128"}


def track(run, records, label):
    program = engines.Program(run, "dedup")
    results = run.rounds(program.contestants, lambda name: program(name, records))
    if len({(one["distinct"], one["sum"]) for list_ in results.values() for one in list_}) != 1:
        raise RuntimeError("they do not agree on the duplicates")
    first = {name: bench.median([one["ns"] for one in results[name]]) for name in results}
    again = {name: bench.median([one["again"] for one in results[name]]) for name in results}
    size = {name: results[name][0]["bytes"] / results[name][0]["distinct"] for name in results}
    run.say(f"  {label}: ns a record, first batch and next one; bytes a distinct record; median of "
            f"{run.chosen.rounds}")
    for name in program.contestants:
        run.say(f"    {NAMES[name]:42} {first[name]:8.1f} {again[name]:8.1f} {size[name]:8.2f}")
    peers = [name for name in program.contestants if not name.startswith("ours")]
    for ours in ("ours", "ours-single", "ours-exact"):
        for peer in peers:
            run.figure(f"{label}, first batch, {NAMES[ours]}", first[ours], first[peer], NAMES[peer], "ns/record",
                       False)
            run.figure(f"{label}, next batch, {NAMES[ours]}", again[ours], again[peer], NAMES[peer], "ns/record",
                       False)
    for peer in peers:
        run.figure(f"{label}, memory", size["ours"], size[peer], NAMES[peer], "bytes/record", False)
    if records >= 100_000:
        run.figure(f"{label}, memory", size["ours"], 16, "the limit we set ourselves", "bytes/record",
                   False)


def million(run):
    track(run, 1_000_000, "1,000,000 records")


def thousand(run):
    track(run, 1_000, "1,000 records")


def statistics(run):
    """What twelve counters take, as the library says."""
    library = ctypes.CDLL(harness.LIBRARY)
    library.trigperf_dedup_stats_bytes.restype = ctypes.c_uint64
    stats = ctypes.c_void_p()
    if library.trigperf_dedup_stats_new(ctypes.byref(stats), None):
        raise MemoryError
    for name, amount in (("twelve counters to 32,767", 32767), ("larger ones", 1)):
        for family in range(12):
            library.trigperf_dedup_stats_add(stats, ctypes.c_uint32(family), ctypes.c_uint64(amount), None)
        run.figure(name, library.trigperf_dedup_stats_bytes(stats), 96, "twelve plain numbers", "bytes", False)
    library.trigperf_dedup_stats_free(stats)


if __name__ == "__main__":
    bench.in_memory("dedup", [("million", million), ("thousand", thousand), ("statistics", statistics)])
