#!/usr/bin/python3
"""What capturing costs the writers, in instructions: no neighbour of the machine changes them.

One backend runs prepared statements by itself (postgres --single) under valgrind's callgrind, once a few
and once many of them; the difference is what one costs, commit included. Instructions of the kernel are
not counted, and not all of them take the same time: they tell whether a change of ours saves anything.
"""

import os
import pwd
import re
import shutil
import subprocess

import bench
import suite_capture

VARIANTS = ["none", "row", "statement", "sqltriga", "logutriga"]

# name: (statement of $1, values of it, a few, many)
CASES = {
    "update 1 row": ("amount = amount + 1 where id = $1", lambda i: i * 7919 % 100_000 + 1, 20, 320),
    "update 1 row unwatched": ("note = 'n' || $1 where id = $1", lambda i: i * 7919 % 100_000 + 1, 20, 320),
    "update 10 rows": ("amount = amount + 1 where id > $1 and id <= $1 + 10", lambda i: i % 90 * 1000, 20, 120),
    "update 1000 rows": ("amount = amount + 1 where id > $1 and id <= $1 + 1000", lambda i: i % 90 * 1000, 5, 15),
}


def single_user(work, database, more=(), callgrind=()):
    """The command that runs one backend under callgrind; None where it cannot be had."""
    server = os.path.join(os.path.dirname(bench.pgbench_path()), "postgres")
    if shutil.which("valgrind") is None or not os.path.exists(server):
        return None
    data = os.path.join(work.cluster.dir, "data")
    owner = pwd.getpwuid(os.stat(data).st_uid).pw_name
    switch = ["runuser", "-u", owner, "--"] if os.getuid() == 0 else []
    options = [part for option in [*bench.SERVER_OPTIONS, *more] for part in option.split()]
    return [*switch, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *callgrind, server,
            "--single", "-D", data, *options, database.name]


def count(command, table, case, number):
    """Instructions of a backend that runs the case's statement so often."""
    text, value, _, _ = CASES[case]
    lines = ["set plan_cache_mode = force_generic_plan", f"prepare u(bigint) as update {table} set {text}"]
    lines += [f"execute u({value(i)})" for i in range(number)]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, encoding="utf-8", cwd="/",
                          timeout=600, check=True)
    if "ERROR:" in done.stderr:
        raise RuntimeError(done.stderr)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def measure(work, command, variants, case):
    """{variant: instructions of one statement}"""
    _, _, few, many = CASES[case]
    found = {}
    for variant in variants:
        table = f"calls_{variant}"
        less = count(command, table, case, few)
        found[variant] = (count(command, table, case, many) - less) / (many - few)
        share = found[variant] / found["none"]
        work.say(f"    {suite_capture.VARIANTS[variant]:28}{found[variant]:14,.0f} {share:8.2f}")
    return found


def instructions(work, key, name):
    text = "with" if key else "without"
    database, variants = suite_capture.make_database(work, name, VARIANTS, key)
    database.sql("vacuum; checkpoint")
    command = single_user(work, database)
    if command is None:
        work.skip("instructions", "there is no valgrind, or no server beside pgbench")
        return
    work.cluster.halt()
    try:
        for case in CASES if key else ["update 10 rows", "update 1000 rows"]:
            work.say(f"  {case}, {text} a primary key: instructions of the backend, of none")
            found = measure(work, command, variants, case)
            for ours in suite_capture.OURS:
                for peer in (variant for variant in variants if variant not in suite_capture.OURS):
                    work.figure(f"{case} {text} key, {ours}", found[ours], found[peer],
                                suite_capture.VARIANTS[peer], "instructions", False, show=False)
    finally:
        work.cluster.resume()


def sampling(work):
    """What an execution pays for perhaps being timed, at a rate at which none of so few is. Of a change of a column
    that is not watched: what it asks is the same, and no page is full now and then."""
    work.say("  sampling, update 1 row unwatched: instructions in the capture function, without and with it")
    database = work.cluster.installed("counted_sampling")
    rates = {"never": "0", "seldom": "0.000001"}
    for shape in suite_capture.OURS:
        for name, rate in rates.items():
            database.sql(f"""create table {shape}_{name}(id bigint primary key, amount bigint not null, note text)
                with (fillfactor = 50); insert into {shape}_{name} select i, 0 from generate_series(1, 100000) i""")
            database.attach(f"{shape}_{name}", "--key", "id", "--watch", "amount", "--granularity", shape,
                            "--sample-rate", rate)
    database.sql("vacuum; checkpoint")
    command = single_user(work, database, callgrind=["--collect-atstart=no", "--toggle-collect=plpgsql_call_handler"])
    if command is None:
        work.skip("instructions", "there is no valgrind, or no server beside pgbench")
        return
    work.cluster.halt()
    try:
        for shape in suite_capture.OURS:
            few, many = ([count(command, f"{shape}_{name}", "update 1 row unwatched", number) for name in rates]
                         for number in (20, 620))
            never, seldom = ((more - less) / 600 for less, more in zip(few, many))
            work.say(f"    {suite_capture.VARIANTS[shape]:28}{never:14,.0f} {seldom:10,.0f} {seldom - never:+8,.0f}")
    finally:
        work.cluster.resume()


if __name__ == "__main__":
    bench.main("instructions", [
        ("key", lambda work: instructions(work, True, "counted_key")),
        ("nokey", lambda work: instructions(work, False, "counted_nokey")),
        ("sampling", sampling),
    ])
