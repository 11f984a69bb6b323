#!/usr/bin/python3
"""Every command alike: help, wrong usage, no server, no schema, no rights, JSON, a full disk, colours."""

import json
import os
import pty
import re
import subprocess

import harness
from harness import check, contains, equal, test

# A call of each that needs the server and ends by itself; {file} is a file for apply.
CALLS = {
    "install": ["install", "--dry-run"], "uninstall": ["uninstall", "--dry-run"], "attach": ["attach", "calls", "--key", "id", "--dry-run"],
    "apply": ["apply", "{file}", "--dry-run"], "detach": ["detach", "calls", "--dry-run"], "status": ["status"], "rules": ["rules"],
    "consumers": ["consumers"], "doctor": ["doctor"], "grants": ["grants", "--consumer", "postgres"], "collect": ["collect"],
    "bracket": ["bracket", "calls", "--dry-run"], "kpi": ["kpi", "list"], "tail": ["tail", "--until-idle", "1"], "triggers": ["triggers"],
    "alerts": ["alerts"], "report": ["report"], "check": ["check"], "cleanup": ["cleanup", "--dry-run"],
}
WITHOUT_SERVER = {"config", "help", "serve", "monitor"}     # serve and monitor wait for one
WITHOUT_SCHEMA = {"install", "status", "triggers", "doctor"}
OWN_CODES = {"check", "doctor"}                             # 3: could not tell
JSON = [["status"], ["rules"], ["consumers"], ["doctor"], ["collect"], ["kpi", "list"], ["triggers"], ["triggers", "--advise"],
        ["alerts"], ["report"], ["cleanup", "--dry-run"], ["cleanup"], ["config"]]


def commands():
    out = harness.run([harness.TOOL, "--help"], ok=True).out
    part = out[out.index("commands:"):out.index("options of")]
    return re.findall(r"^  ([a-z]+) ", part, re.M)


def prepared(db, tmp):
    db.sql("create table calls(id bigint primary key, n int)")
    path = os.path.join(tmp, "cache.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[table calls]\nkeys = id\nrule = call:{id}\n")
    return {name: [word.format(file=path) for word in call] for name, call in CALLS.items()}


def said(result, name, code=1):
    """A refusal: the exit code, nothing on standard output, a sentence and what to do."""
    equal(result.code, 3 if name in OWN_CODES else code, f"exit code of {name}: {result!r}")
    if name not in OWN_CODES:
        equal(result.out, "", f"standard output of {name}")
        contains(result.err, "trigperf: ", f"{name}")
        contains(result.err, "hint: ", f"what to do, of {name}")


@test("every command is known here, has a help that fits 100 columns, and refuses what it does not know")
def _():
    equal(set(commands()), set(CALLS) | WITHOUT_SERVER, "commands")
    for name in commands():
        shown = harness.run([harness.TOOL, name, "--help"], ok=True)
        equal(shown.err, "", f"standard error of {name} --help")
        contains(shown.out, f"usage: trigperf {name}", "help")
        equal([line for line in shown.out.split("\n") if len(line) > 100], [], f"long lines in the help of {name}")
        if name != "help":
            equal(harness.run([harness.TOOL, "help", name], ok=True).out, shown.out, "help by the other way")
        said(harness.run([harness.TOOL, name, "--nonsense"]), name, 2)
        said(harness.run([harness.TOOL, name, *["x"] * 70]), name, 2)
    for word, near in (("instal", "'install'"), ("cleanupp", "'cleanup'"), ("rollup", "collect, bracket, kpi"), ("", "install, uninstall")):
        refused = harness.run([harness.TOOL, word], ok=2)
        contains(refused.err, near, "what there is instead")


@test("without a server, without the schema, without rights: what is wrong and what to do")
def _(db, tmp):
    calls = prepared(db, tmp)
    away = db.env(PGHOST="/nonexistent")
    for name, call in calls.items():
        said(harness.run([harness.TOOL, *call], env=away), name)
        if name not in WITHOUT_SCHEMA:
            refused = db.trigperf(*call, ok=None)
            said(refused, name)
            contains(refused.out + refused.err, "trigperf install", f"what to do, of {name}")
    db.trigperf("install")
    db.sql("do $$ begin create role lowly login; exception when duplicate_object then null; end $$")
    other = db.as_user("lowly")
    for name, call in calls.items():
        if name != "triggers":
            refused = other.trigperf(*call, ok=None)
            said(refused, name)
            contains(refused.out + refused.err, "trigperf grants", f"what to do, of {name}")


@test("JSON is JSON and nothing else; a full disk is an error; a reader that leaves ends no command by a signal")
def _(installed, tmp):
    calls = prepared(installed, tmp)
    installed.attach("calls", "--key", "id", "--rule", "call:{id}")
    for call in JSON:
        result = installed.trigperf(*call, "--format", "json")
        json.loads(result.out)
        check("\033" not in result.out + result.err, f"colours in {call}")
    for name, call in calls.items():
        if installed.trigperf(*call, ok=None).out == "":      # nothing to do, or refused
            continue
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([harness.TOOL, *call], env=installed.env(), stdout=full, stderr=subprocess.PIPE,
                                  timeout=harness.PATIENCE, check=False, encoding="utf-8")
        check(done.returncode > 0, f"{name} on a full disk: exit code {done.returncode}")
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([harness.TOOL, *call], env=installed.env(), stdout=writer, stderr=subprocess.PIPE,
                              timeout=harness.PATIENCE, check=False, encoding="utf-8")
        os.close(writer)
        check(done.returncode >= 0, f"{name} was ended by signal {-done.returncode}")


def on_terminal(argv, env):
    """What a command writes to a terminal."""
    main, other = pty.openpty()
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=other, stderr=other) as running:
        os.close(other)
        shown = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        running.wait(harness.PATIENCE)
    os.close(main)
    return shown.decode(errors="replace")


@test("where there is nothing to show, that is said, with exit code 0; what is shown is for people")
def _(installed):
    for call in (["rules"], ["kpi", "list"], ["consumers"], ["triggers"], ["install", "--dry-run"], ["cleanup"]):
        shown = installed.trigperf(*call)
        check(re.search(r"\bno(thing|ne)?\b|0 rows", shown.out + shown.err), f"{call}: {shown!r}")
    installed.sql("create table calls(id bigint primary key, at timestamptz, n int)")
    installed.trigperf("kpi", "add", "per_day", "--from", "calls", "--by", "day=CAST(at AT TIME ZONE 'UTC' AS date)", "--by", "n",
                       "--value", "calls=count(*)")
    shown = installed.trigperf("kpi", "list").out
    contains(shown, "day=CAST(at AT TIME ZONE 'UTC' AS date), n", "groups")
    check("{" not in shown, f"JSON within text: {shown}")


@test("colours on a terminal, unless NO_COLOR or TERM=dumb says otherwise")
def _(installed):
    installed.sql("create table calls(id bigint primary key)")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}")
    for call in (["status"], ["triggers"], ["doctor"], ["cleanup", "--dry-run"], ["rules"], ["nonsense"]):
        plain = {"PATH": os.environ["PATH"], **{k: v for k, v in installed.env().items() if k.startswith("PG")}}
        check("\033[" in on_terminal([harness.TOOL, *call], {**plain, "TERM": "xterm"}), f"no colours in {call}")
        for more in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}):
            check("\033" not in on_terminal([harness.TOOL, *call], {**plain, **more}), f"colours in {call} with {more}")


if __name__ == "__main__":
    harness.main()
