#!/usr/bin/python3
"""The verdict cache beside what people use: get-or-insert, memory, two threads, and replayed traces.

Keys of 16 bytes by Zipf's law (0.99) over ten times the capacity. Every figure of `ours` is of the same
configuration, the default one; `lru` and `exact` are shown apart. One thread is measured in processor
time, two by the clock. --trace FILE --capacity N --policy P replays a file of little-endian uint32 keys and
prints hit_ratio, and nothing else is done.
"""

import os
import shutil
import subprocess
import sys

import bench
import engines
import harness

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "caching")
REGISTRY, GOPATH = "/usr/share/cargo/registry", "/usr/share/gocode"
SIZES = {"10,000": (10_000, 4_000_000), "1,000,000": (1_000_000, 20_000_000)}
# targets: alone, many at once; beside uthash and GLib
WANTED = {"10,000": (2.0, 2.8), "1,000,000": (5.0, 10.0)}
# said when one is missed
LIMITS = {
    "10,000": "branches that the processor cannot foresee (hit or miss, which queue) and the keyed hash",
    "1,000,000": "the latency of memory: a line of tags, one of the entry and two more for a miss, where sets of half the "
                 "size would need one or two, at up to 4.5 points of hit ratio"}


def run(argv, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8", check=True, timeout=600, **more).stdout


def build(folder):
    """The program of C; it knows GLib when that is installed."""
    path = os.path.join(folder, "bench_cache")
    glib = engines.pkg_config("glib-2.0")
    flags = [] if glib is None else glib[0] + glib[1]
    library = os.path.join(harness.BUILD, "lib")
    run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-I" + engines.ROOT + "/include",
         "-o", path, os.path.join(HERE, "cache.c"), "-L" + library, "-ltrigperf", "-Wl,-rpath," + library,
         *flags, "-lm", "-pthread"])
    return path, glib is not None


def rust(work):
    """The command that runs the crate lru, or why there is none."""
    if not shutil.which("cargo"):
        return None, "cargo is not installed"
    if not any(name.startswith("lru-") for name in os.listdir(REGISTRY) if os.path.isdir(REGISTRY)):
        return None, "librust-lru-dev is not installed"
    folder = os.path.join(work.folder, "rust")
    os.makedirs(os.path.join(folder, "src"))
    os.makedirs(os.path.join(folder, ".cargo"))
    shutil.copy(os.path.join(HERE, "lru.rs"), os.path.join(folder, "src", "main.rs"))
    with open(os.path.join(folder, "Cargo.toml"), "w", encoding="utf-8") as file:
        file.write('[package]\nname = "bench_lru"\nversion = "0.0.0"\nedition = "2018"\n'
                   '[dependencies]\nlru = "*"\n')
    with open(os.path.join(folder, ".cargo", "config.toml"), "w", encoding="utf-8") as file:
        file.write(f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "{REGISTRY}"\n')
    done = subprocess.run(["cargo", "build", "--release", "--offline"], cwd=folder, capture_output=True,
                          encoding="utf-8", check=False)
    if done.returncode:
        return None, "cargo: " + done.stderr.strip().split("\n")[-1]
    return [os.path.join(folder, "target", "release", "bench_lru")], None


def golang(work):
    if not shutil.which("go"):
        return None, "go is not installed"
    path = os.path.join(work.folder, "bench_lru_go")
    env = dict(os.environ, GO111MODULE="off", GOPATH=GOPATH, GOCACHE=os.path.join(work.folder, "go"), GOFLAGS="")
    done = subprocess.run(["go", "build", "-o", path, os.path.join(HERE, "lru.go")], env=env, capture_output=True,
                          encoding="utf-8", check=False)
    return ([path], None) if done.returncode == 0 else (None, "golang-github-hashicorp-golang-lru-dev is missing")


def node(_):
    modules = os.environ.get("BENCH_NODE_MODULES", "")
    if not shutil.which("node") or not os.path.isdir(os.path.join(modules, "lru-cache")):
        return None, "node or the npm package is missing"
    return ["env", "NODE_PATH=" + modules, "node", "--expose-gc", "--max-old-space-size=8000",
            os.path.join(HERE, "lru.js")], None


PEERS = {"Rust lru": rust, "hashicorp golang-lru": golang, "npm lru-cache": node}


class Contest:
    """Everybody who can be had here, on one size."""

    def __init__(self, work, label):
        self.work, self.label = work, label
        self.capacity, self.count = SIZES[label]
        self.path, has_glib = build(work.folder)
        self.commands = {"ours": self.native("ours", 1, 1), "ours, many": self.native("ours", 1, 32),
                         "uthash": self.native("uthash", 1, 1)}
        if has_glib:
            self.commands["GLib"] = self.native("glib", 1, 1)
        else:
            work.skip("GLib", "libglib2.0-dev is not installed")
        self.commands["ours, lru"] = self.native("ours", 1, 1, "lru")
        self.commands["ours, exact"] = self.native("ours", 1, 1, "s3fifo", "on")

    def native(self, who, threads, batch, *more):
        return [self.path, "speed", who, str(self.capacity), str(threads), str(batch), str(self.count), *more]

    def add_peers(self):
        ids = os.path.join(self.work.folder, "ids")
        with open(ids, "wb") as file:
            subprocess.run([self.path, "ids", str(self.capacity), str(self.count)], stdout=file, check=True)
        for name, make in PEERS.items():
            command, why = make(self.work)
            if command is None:
                self.work.skip(name, why)
            else:
                self.commands[name] = command + [ids, str(self.capacity), str(self.count)]

    def __call__(self, name):
        return [float(word) for word in run(self.commands[name]).split()]


def speed(work, label):
    contest = Contest(work, label)
    contest.add_peers()
    rounds = work.chosen.rounds if contest.capacity < 100_000 else (work.chosen.rounds + 1) // 2
    results = work.rounds(list(contest.commands), contest, rounds)
    table = {name: [bench.median(column) for column in zip(*rows)] for name, rows in results.items()}
    work.say(f"  {label} entries: M operations/s of processor time, hit ratio, bytes an entry; median of {rounds}")
    for name, (rate, hits, size) in table.items():
        runs = " ".join(f"{row[0] / 1e6:.1f}" for row in results[name])
        work.say(f"    {name:22} {rate / 1e6:8.2f} {hits:8.4f} {size:8.2f}   rounds {runs}")
    peers = [name for name in table if not name.startswith("ours")]
    for ours in ("ours", "ours, many", "ours, lru", "ours, exact"):
        for peer in peers:
            # paired: both of one round met the same neighbours
            ratio = bench.median([a[0] / b[0] for a, b in zip(results[ours], results[peer])])
            base = table[peer][0] / 1e6
            work.figure(f"{label}, {ours}", ratio * base, base, peer, "Mops/s", True)
    for index, ours in enumerate(("ours", "ours, many")):
        got = min(bench.median([a[0] / b[0] for a, b in zip(results[ours], results[peer])])
                  for peer in ("uthash", "GLib") if peer in results)
        work.figure(f"{label}, {ours}, ratio to the better of uthash and GLib", got, WANTED[label][index], "target",
                    "x", True)
        if got < WANTED[label][index]:
            work.say(f"    missed; what limits it: {LIMITS[label]}")
    work.figure(f"{label}, memory", table["ours"][2], 17.6, "target", "bytes/entry", False)
    for peer in peers:
        work.figure(f"{label}, memory", table["ours"][2], table[peer][2], peer, "bytes/entry", False)
        work.figure(f"{label}, hit ratio", table["ours"][1], table[peer][1], peer, "", True)


def small(work):
    speed(work, "10,000")


def large(work):
    speed(work, "1,000,000")


def threads(work):
    """Two threads on one cache, by the clock: neighbours disturb it more than the rest."""
    contest = Contest(work, "10,000")
    contest.commands = {"ours": contest.native("ours", 2, 1), "ours, many": contest.native("ours", 2, 32),
                        "uthash under a mutex": contest.native("uthash", 2, 1)}
    results = work.rounds(list(contest.commands), contest)
    for ours in ("ours", "ours, many"):
        ratio = bench.median([a[0] / b[0] for a, b in zip(results[ours], results["uthash under a mutex"])])
        base = bench.median([row[0] for row in results["uthash under a mutex"]]) / 1e6
        work.figure(f"two threads, {ours}", ratio * base, base, "uthash under a mutex", "Mops/s", True)
        work.figure(f"two threads, {ours}, ratio", ratio, 6.0, "target", "x", True)


def trace(argv):
    """--trace FILE --capacity N --policy P"""
    given = dict(zip(argv[::2], argv[1::2]))
    folder = os.environ.get("BENCH_SCRATCH", "/tmp")
    path, _ = build(folder)
    print(run([path, "trace", given["--trace"], given.get("--capacity", "10000"), given.get("--policy", "s3fifo")]),
          end="")


if __name__ == "__main__":
    if "--trace" in sys.argv:
        trace([word for word in sys.argv[1:] if word != "--json"])
    else:
        bench.in_memory("cache", [("small", small), ("large", large), ("threads", threads)])
