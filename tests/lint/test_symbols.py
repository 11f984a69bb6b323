#!/usr/bin/python3
"""Symbols: what is exported, what is shared between modules, what is called from outside."""

import collections
import os
import re
import subprocess

from tree import declared, harness, none

ARCHIVE = os.path.join(harness.BUILD, "lib", "libtrigperf_internal.a")

# What a library must not do behind its host's back.
FORBIDDEN = {
    "exit", "_exit", "_Exit", "quick_exit", "abort", "printf", "vprintf", "puts", "putchar", "perror",
    "__printf_chk", "__vprintf_chk", "stdout", "stderr", "stdin", "signal", "sigaction", "sigprocmask",
    "system", "fork", "setlocale", "setenv", "putenv", "srand", "rand", "strtok", "__assert_fail",
}
# What lib/core must not do at all: time, randomness, input and output come as arguments.
IMPURE = {
    "clock_gettime", "time", "gettimeofday", "getrandom", "getentropy", "random", "open", "read", "write",
    "close", "socket", "connect", "poll", "epoll_wait", "fopen", "fclose", "fread", "fwrite", "fprintf",
    "fputs", "fputc", "nanosleep", "usleep", "sleep", "getenv", "pthread_create", "pthread_join",
    "localtime", "localtime_r", "gmtime_r", "mktime",
}

# The error object for when memory is short: handed out as it is, never changed.
NEVER_WRITTEN = {("base_error.c.o", name) for name in ("nomem_error", "nomem_message", "nomem_hint")}

Symbol = collections.namedtuple("Symbol", "object name kind section")


def nm(*args):
    return subprocess.run(["nm", *args], capture_output=True, encoding="utf-8", check=True).stdout


def exported():
    found = {}
    for line in nm("-D", "--defined-only", harness.LIBRARY).splitlines():
        _, kind, name = line.split()
        found[re.sub(r"@.*", "", name)] = kind
    return found


def internal():
    """Every symbol of the internal archive."""
    symbols, current = [], ""
    for line in nm("-f", "sysv", ARCHIVE).splitlines():
        head = re.match(r"(?:Symbols|Undefined symbols) from .*\[(.+)\]:", line)
        if head:
            current = os.path.basename(head.group(1))
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and cells[0] != "Name":
            symbols.append(Symbol(current, cells[0], cells[2], cells[6]))
    return symbols


@harness.test("exported is what the headers declare, nothing else")
def _():
    have = {name for name, kind in exported().items() if kind not in "A"}
    none(sorted(f"{name}: declared, not exported" for name in declared() - have
                if not re.search(r"_fn$", name))
         + sorted(f"{name}: exported, not declared" for name in have - declared()), "exports")


@harness.test("no data is exported")
def _():
    none([name for name, kind in exported().items() if kind not in "TA"], "exported data")


@harness.test("the library calls nothing that acts on the whole process")
def _():
    none(sorted(f"{s.object}: {s.name}" for s in internal() if s.kind == "U" and s.name in FORBIDDEN),
         "calls")


@harness.test("lib/core is pure")
def _():
    none(sorted(f"{s.object}: {s.name}" for s in internal() if s.object.startswith("core_")
                and s.kind == "U" and (s.name in IMPURE or s.name.startswith("PQ"))), "calls")


@harness.test("names shared between modules start with tp_ or trigperf_")
def _():
    none(sorted(f"{s.object}: {s.name}" for s in internal() if s.kind in "TDBRCVW"
                and not re.match(r"(tp|trigperf)_", s.name)), "names")


@harness.test("no global state")
def _():
    none(sorted(f"{s.object}: {s.name} in {s.section}" for s in internal()
                if re.match(r"\.(data|bss|tdata|tbss)", s.section) or s.section == "*COM*"
                if not s.section.startswith(".data.rel.ro")
                and (s.object, s.name) not in NEVER_WRITTEN), "variables that can be written")


@harness.test("nothing is shared that only its own module and nobody else uses")
def _():
    symbols = internal()
    used = {s.name for s in symbols if s.kind == "U"}
    tests = os.path.join(harness.BUILD, "tests")
    for folder, _, names in os.walk(tests):
        for name in names:
            if name.endswith(".o"):
                used |= set(re.findall(r"^\s+U (\w+)", nm(os.path.join(folder, name)), re.M))
    none(sorted(f"{s.object}: {s.name}" for s in symbols
                if s.kind == "T" and s.name.startswith("tp_") and s.name not in used),
         "make static, or remove")


if __name__ == "__main__":
    harness.main()
