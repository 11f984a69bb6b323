"""What the suites share: options, a server, measuring processor time, medians, the report.

A round runs every variant once, one after the other, and the next round begins with another one; what
counts is the median of a variant's rounds. That keeps the neighbours of a busy machine from favouring
anybody, but not from making all figures smaller: compare figures of one run only.
"""

import argparse
import glob
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")

SERVER_OPTIONS = [
    "-c shared_buffers=512MB", "-c max_wal_size=16GB", "-c checkpoint_timeout=1h",
    "-c autovacuum=off", "-c wal_level=replica", "-c track_functions=none",
    "-c max_connections=150", "-c synchronous_commit=on",
]


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    return parser.parse_args()


def wanted(chosen, parts):
    """The functions of the parts that --only chooses."""
    found = [function for name, function in parts if chosen.only in name]
    if not found:
        sys.exit(f"expected a part of the suite behind --only ({', '.join(name for name, _ in parts)}), "
                 f"got '{chosen.only}'")
    return found


def main(suite, parts, server_options=()):
    """Runs the parts [(name, function(bench))] of a suite on a server of their own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = options()
    functions = wanted(chosen, parts)
    with harness.Cluster(fast=False, options=[*SERVER_OPTIONS, *server_options]) as cluster, \
            tempfile.TemporaryDirectory(prefix="tpb.", dir="/tmp") as folder:
        bench = Bench(suite, chosen, cluster, folder)
        bench.say(f"== {suite}: {machine(cluster)}")
        try:
            for function in functions:
                function(bench)
        finally:
            bench.stop_all()


def in_memory(suite, parts):
    """The same for a suite that needs no server."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = options()
    functions = wanted(chosen, parts)
    with tempfile.TemporaryDirectory(prefix="tpb.", dir="/tmp") as folder:
        bench = Bench(suite, chosen, None, folder)
        bench.say(f"== {suite}: {hardware()}")
        for function in functions:
            function(bench)


def hardware():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return f"{os.cpu_count()} cores ({model.group(1) if model else 'unknown'}), load {os.getloadavg()[0]:.1f}"


def machine(cluster):
    version = harness.Database(cluster, "postgres").value("show server_version")
    return f"{hardware()}, PostgreSQL {version}, fsync on"


def median(values):
    return statistics.median(values)


class Bench:
    """One run of a suite."""

    def __init__(self, suite, chosen, cluster, folder):
        self.suite, self.chosen, self.cluster, self.folder = suite, chosen, cluster, folder
        self._running = []

    # --- talking

    def say(self, text):
        print(text, file=sys.stderr if self.chosen.json else sys.stdout, flush=True)

    def skip(self, what, why):
        self.say(f"  skipped  {what}: {why}")

    def figure(self, case, ours, peer, peer_name, unit, more_is_better, show=True):
        """Reports one comparison; show=False when a table for people has it already."""
        better, worse = (ours, peer) if more_is_better else (peer, ours)
        ratio = round(better / worse, 3) if worse else None
        if self.chosen.json:
            print(json.dumps({"suite": self.suite, "case": case, "ours": round(ours, 3),
                              "peer": round(peer, 3), "peer_name": peer_name, "unit": unit,
                              "ratio": ratio}), flush=True)
        elif show:
            print(f"  {case:58} {ours:12,.2f}  {peer_name:28} {peer:12,.2f} {unit:16} x{ratio}",
                  flush=True)

    # --- rounds

    def rounds(self, variants, function, count=None):
        """Calls function(variant) for each variant in turn; gives {variant: [result, ...]}."""
        results = {variant: [] for variant in variants}
        for number in range(count or self.chosen.rounds):
            shift = number % len(variants)
            for variant in variants[shift:] + variants[:shift]:
                results[variant].append(function(variant))
        return results

    # --- processes

    def start(self, argv, env=None):
        """Starts a child that ends with the run."""
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 encoding="utf-8")
        self._running.append(child)
        return child

    def stop(self, child, number=signal.SIGTERM):
        """Ends a child; gives the rest of its output."""
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.send_signal(number)
        try:
            out, _ = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
        if child in self._running:
            self._running.remove(child)
        return out

    def stop_all(self):
        for child in list(self._running):
            self.stop(child, signal.SIGKILL)

    # --- the server

    def postmaster(self):
        path = os.path.join(self.cluster.dir, "data", "postmaster.pid")
        with open(path, encoding="utf-8") as file:
            return int(file.readline())

    def server_cpu(self):
        """Seconds of processor time of the server so far, ended backends included."""
        parent = self.postmaster()
        return sum(_times(parent)) / TICK + sum(cpu(child) for child in self.backends())

    def backends(self):
        """Processes of the server."""
        parent = self.postmaster()
        with open(f"/proc/{parent}/task/{parent}/children", encoding="utf-8") as file:
            return [int(child) for child in file.read().split()]

    def ended_cpu(self):
        """Seconds of processor time of the backends that have ended."""
        return sum(_times(self.postmaster())[2:]) / TICK

    def server_cpu_of(self, function):
        """(result, seconds of processor time the server used meanwhile)."""
        before = self.server_cpu()
        result = function()
        time.sleep(0.05)  # backends of ended connections are accounted to the server when they exit
        return result, self.server_cpu() - before

    def pgbench(self, database, script, *args, seconds=None, clients=8):
        """Transactions per second, and server µs per transaction, of a script's prepared statements."""
        path = os.path.join(self.folder, "script.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        argv = [pgbench_path(), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T",
                str(seconds or self.chosen.seconds), "-f", path, *args]
        done, cpu = self.server_cpu_of(
            lambda: harness.run(argv, env=database.env(), ok=True, timeout=600))
        count = int(re.search(r"actually processed: (\d+)", done.out).group(1))
        tps = float(re.search(r"^tps = ([\d.]+)", done.out, re.M).group(1))
        return tps, cpu * 1e6 / max(count, 1)


def _times(pid):
    """Ticks in user and system mode, then those of ended children."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return [int(field) for field in file.read().rsplit(")", 1)[1].split()[11:15]]
    except OSError:
        return [0, 0, 0, 0]


def cpu(pid):
    """Seconds of processor time of a process so far."""
    return sum(_times(pid)[:2]) / TICK


def pgbench_path():
    chosen = os.environ.get("TRIGPERF_PG_BINDIR")
    found = ([os.path.join(chosen, "pgbench")] if chosen else []) + sorted(
        glob.glob("/usr/lib/postgresql/*/bin/pgbench"), reverse=True) + ["pgbench"]
    return next(path for path in found if os.path.exists(path) or path == "pgbench")


def has_pgq(database):
    """Installs PgQ into a database; None, or why that cannot be done."""
    try:
        database.sql("create extension pgq")
        return None
    except harness.SqlError as error:
        return str(error).split("\n")[0]
