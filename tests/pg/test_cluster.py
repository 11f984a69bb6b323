#!/usr/bin/python3
"""tests/pg_cluster: what it starts can be used, what it stops is gone."""

import os
import re

from harness import ROOT, check, contains, equal, main, run, test

TOOL = os.path.join(ROOT, "tests", "pg_cluster")


def start(folder, *args, fast=True):
    """Starts a cluster; returns what it exports."""
    out = run([TOOL, "start", folder, *(["--fast"] if fast else []), *args], ok=True, timeout=180).out
    return dict(re.findall(r"^export (\w+)=(.*)$", out, re.M))


def ask(exports, sql, **more):
    return run(["psql", "-X", "-A", "-t", "-c", sql], env={**os.environ, **exports, **more})


@test("a socket by default, logical decoding and prepared transactions allowed")
def _(tmp):
    folder = os.path.join(tmp, "c")
    try:
        exports = start(folder, "-o", "-c work_mem=9MB")
        wanted = {"wal_level": "logical", "max_prepared_transactions": "16", "track_functions": "pl",
                  "work_mem": "9MB", "listen_addresses": "", "fsync": "off"}
        for name, value in wanted.items():
            equal(ask(exports, f"show {name}").out.strip(), value, name)
        home = os.path.dirname(exports["PGHOST"])
        contains(run([TOOL, "start", folder], ok=False).err, "already holds a cluster", "second start")
    finally:
        run([TOOL, "stop", folder], ok=True)
    check(not os.path.exists(folder), "the folder is still there")
    check(not os.path.exists(home), "the data are still there")
    run([TOOL, "stop", folder], ok=True)


@test("without --fast the data are safe, in the folder itself")
def _(tmp):
    folder = os.path.join(tmp, "c")
    os.chmod(tmp, 0o755)
    try:
        exports = start(folder, fast=False)
        equal(ask(exports, "show fsync").out.strip(), "on", "fsync")
        equal(exports["PGHOST"], os.path.join(folder, "s"), "where it is")
    finally:
        run([TOOL, "stop", folder], ok=True)
    check(not os.path.exists(folder), "the folder is still there")


@test("TCP asks for the password")
def _(tmp):
    folder = os.path.join(tmp, "c")
    try:
        exports = start(folder, "--tcp")
        equal(exports["PGHOST"], "127.0.0.1", "host")
        equal(ask(exports, "select 1").out.strip(), "1", "answer")
        contains(ask(exports, "select 1", PGPASSWORD="wrong").err, "password", "refusal")
        equal(ask(exports, "select 1", PGHOST=exports["TRIGPERF_PG_SOCKET"]).out.strip(), "1", "by socket")
    finally:
        run([TOOL, "stop", folder], ok=True)


@test("a folder whose name is too long for a socket")
def _(tmp):
    folder = os.path.join(tmp, "long" * 25, "c")
    try:
        exports = start(folder, fast=False)
        equal(ask(exports, "select 1").out.strip(), "1", "answer")
        home = os.path.dirname(exports["PGHOST"])
    finally:
        run([TOOL, "stop", folder], ok=True)
    check(not os.path.exists(home), "the data are still there")


@test("a server that cannot start leaves nothing behind and says why")
def _(tmp):
    folder = os.path.join(tmp, "c")
    said = run([TOOL, "start", folder, "--fast", "-o", "-c wal_level=nonsense"], ok=False, timeout=180)
    contains(said.err, "wal_level", "message")
    check(not os.path.exists(folder), "the folder is still there")


@test("wrong use is refused")
def _(tmp):
    run([TOOL], ok=2)
    run([TOOL, "start", os.path.join(tmp, "c"), "--nonsense"], ok=2)
    with open(os.path.join(tmp, "mine"), "w", encoding="utf-8"):
        pass
    contains(run([TOOL, "start", tmp], ok=False).err, "not empty", "a folder in use")
    contains(run([TOOL, "stop", tmp], ok=False).err, "no cluster", "stop of a foreign folder")
    check(os.path.exists(os.path.join(tmp, "mine")), "a foreign file was removed")


if __name__ == "__main__":
    main()
