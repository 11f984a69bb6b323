#!/usr/bin/python3
"""Recording durations: ours, HdrHistogram_c, prometheus-cpp, shared atomics, npm's hdr-histogram-js.

Each program measures itself by the processor time of its threads and gives the best of its rounds (see
recording/recording.h); here they take turns, and the least of their turns counts. From a loop's time the
time of the same loop that records nothing is taken off. "after the clock" is what a record adds to
reading the clock before each: the read waits until what came before is complete, so there a record's
whole length shows, and not only what it takes when records overlap.
"""

import os
import shutil
import subprocess

import bench
import harness

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recording")
HDR_SOURCES = os.path.join(os.environ.get("BENCH_NODE_MODULES", ""), "native-hdr-histogram", "HdrHistogram_c", "src")


def output(argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8", check=True, timeout=600).stdout


def lines(argv):
    """{(name, threads): number} of what a program printed."""
    return {(name, int(threads)): float(number)
            for name, threads, number in (line.split() for line in output(argv).splitlines())}


def build_hdr(run):
    if not os.path.isdir(HDR_SOURCES):
        run.skip("HdrHistogram_c", "its source, part of npm's native-hdr-histogram, could not be fetched")
        return None
    path = os.path.join(run.folder, "hdr")
    output(["gcc", "-std=gnu11", "-O3", "-DNDEBUG", "-D_GNU_SOURCE", "-I" + HDR_SOURCES, os.path.join(HERE, "hdr.c"),
            os.path.join(HDR_SOURCES, "hdr_histogram.c"), "-o", path, "-lm", "-pthread"])
    return path


def build_prometheus(run):
    path = os.path.join(run.folder, "prometheus")
    try:
        output(["g++", "-std=c++17", "-O3", "-DNDEBUG", os.path.join(HERE, "prometheus.cc"), "-o", path,
                "-lprometheus-cpp-core", "-lm", "-pthread"])
        return path
    except (OSError, subprocess.CalledProcessError):
        run.skip("prometheus-cpp", "prometheus-cpp-dev or g++ is not installed")
        return None


def javascript(run):
    modules = os.environ.get("BENCH_NODE_MODULES", "")
    if not shutil.which("node") or not os.path.isdir(os.path.join(modules, "hdr-histogram-js")):
        run.skip("hdr-histogram-js", "node or the package is missing")
        return None
    return ["node", os.path.join(HERE, "hdr.js")]


def programs(run):
    """{name: command} of what can be had here."""
    hdr, prometheus, node = build_hdr(run), build_prometheus(run), javascript(run)
    found = {"ours": [os.path.join(harness.BUILD, "bench_histogram"), "1"]}
    if hdr:
        found["HdrHistogram_c, 2 digits"] = [hdr, "1", "2"]
        found["HdrHistogram_c, 3 digits"] = [hdr, "1", "3"]
    if prometheus:
        found["prometheus-cpp"] = [prometheus, "1"]
    if node:
        found["hdr-histogram-js"] = [*node, "1"]
    return found


def least(turns):
    return {key: min(turn[key] for turn in turns) for key in turns[0]}


def histogram(run):
    commands = programs(run)
    turns = run.rounds(list(commands), lambda name: lines(commands[name]))
    best = {name: least(turns[name]) for name in turns}
    ours = best["ours"]
    run.say(f"  ns a record, best of {run.chosen.rounds} turns; the loop itself "
            f"({ours['baseline', 1]:.2f}) is taken off; clock {ours['clock', 1]:.1f} ns")
    for threads in (1, 2):
        record(run, best, threads)
    rest(run, best)


def record(run, best, threads):
    ours = best["ours"]
    loop, clock = ours["baseline", threads], ours["clock", threads]
    own = {"timer": "ours, timer", "recorder": "ours, recorder", "series": "ours, any thread"}
    peers = {"shared atomics": ours["atomics", threads] - loop}
    for name, found in best.items():
        for key in ("record", "javascript", "webassembly"):
            if (key, threads) in found:
                peers[name + ("" if key == "record" else ", " + key)] = found[key, threads] - loop
    label = f"{threads} thread{'s' if threads > 1 else ''}"
    for key, name in own.items():
        run.say(f"    {label:10} {name:42} {ours[key, threads] - loop:8.2f}")
    for name, value in peers.items():
        run.say(f"    {label:10} {name:42} {value:8.2f}")
    for key, name in own.items():
        for peer, value in peers.items():
            run.figure(f"record, {label}, {name}", ours[key, threads] - loop, value, peer, "ns", False)
        run.figure(f"record, {label}, {name}", ours[key, threads] - loop, 2.5, "the limit we set ourselves", "ns", False)
    for key, name in (("clock_and_timer", "timer"), ("clock_and_recorder", "recorder")):
        mine = ours[key, threads] - clock
        run.say(f"    {label:10} {'ours, ' + name + ', after the clock':42} {mine:8.2f}")
        for peer, found in best.items():
            if ("clock_and_record", threads) in found:
                run.figure(f"record after the clock, {label}, {name}", mine,
                           found["clock_and_record", threads] - clock, peer, "ns", False)
    peers = {"shared atomic": ours["atomic_counter", threads] - loop}
    if "prometheus-cpp" in best:
        peers["prometheus-cpp"] = best["prometheus-cpp"]["counter", threads] - loop
    for peer, value in peers.items():
        run.figure(f"count, {label}", ours["counter", threads] - loop, value, peer, "ns", False)


def rest(run, best):
    ours = best["ours"]
    for peer, found in best.items():
        if peer != "ours" and ("bytes", 1) in found:
            run.figure("memory of a histogram, a thread, all in", ours["bytes", 1], found["bytes", 1], peer, "bytes", False)
        if ("merge", 1) in found and peer != "ours":
            run.figure("merging two", ours["merge", 1], found["merge", 1], peer, "ns", False)
    run.figure("memory of a histogram, a thread", ours["cells", 1], 3500, "the limit we set ourselves", "bytes", False)
    run.figure("merging two", ours["merge", 1], 1000, "the limit we set ourselves", "ns", False)
    run.say(f"    a quantile {ours['quantile', 1]:.0f} ns; a reading {ours['read', 1]:.0f} ns a series")


if __name__ == "__main__":
    bench.in_memory("histogram", [("histogram", histogram)])
