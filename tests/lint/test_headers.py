#!/usr/bin/python3
"""Headers stand alone, in C and in C++, with gcc and clang."""

import os
import re
import shutil
import subprocess

from tree import ROOT, declared, files, harness, includes, none, public_headers, read

PEDANTIC = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror"]


def compiles(argv, text):
    done = subprocess.run([*argv, "-"], cwd=ROOT, input=text, capture_output=True, encoding="utf-8",
                          check=False)
    return None if done.returncode == 0 else done.stderr.strip()


def alone(headers, compilers):
    problems = []
    for argv in compilers:
        if shutil.which(argv[0]) is None:
            harness.skip(f"{argv[0]} is not installed")
        for header in headers:
            name = re.sub(r"^(include|lib)/", "", header)
            form = f"<{name}>" if header.startswith("include/") else f'"{name}"'
            said = compiles(argv, f"#include {form}\n#include {form}\nstruct alone; /* not empty */\n")
            problems += [f"{' '.join(argv[:3])}: {header}\n{said}"] if said else []
    none(problems, "headers that do not stand alone")


@harness.test("public headers in C")
def _():
    alone(public_headers(), [[cc, "-x", "c", std, "-Iinclude", "-Wstrict-prototypes", *PEDANTIC]
                             for cc in ("gcc", "clang") for std in ("-std=c99", "-std=c11")])


@harness.test("public headers in C++")
def _():
    alone(public_headers(), [[cc, "-x", "c++", std, "-Iinclude", *PEDANTIC]
                             for cc in ("g++", "clang++") for std in ("-std=c++11", "-std=c++20")])


@harness.test("internal headers in C")
def _():
    flags = subprocess.run(["pkg-config", "--cflags", "libpq", "jansson"], capture_output=True,
                           encoding="utf-8", check=True).stdout.split()
    alone(files(r"lib/.*\.h"), [["gcc", "-x", "c", "-std=c11", "-Iinclude", "-Ilib", "-D_GNU_SOURCE",
                                 *flags, *PEDANTIC]])


@harness.test("the umbrella includes every concept")
def _():
    seen = {name for _, name in includes("include/trigperf.h")}
    none([path for path in files(r"include/trigperf/\w+\.h") if path[len("include/"):] not in seen],
         "headers that trigperf.h leaves out")


@harness.test("public headers need nothing but stdint.h")
def _():
    none([f"{path}: {name}" for path in public_headers() for _, name in includes(path)
          if name not in ("stdint.h", "stddef.h") and not name.startswith("trigperf/")],
         "includes of public headers")


@harness.test("the interface can be bound from any language")
def _():
    problems = []
    for path in public_headers():
        code = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
        for pattern, what in ((r"\.\.\.", "variadic"), (r"\bunion\b", "union"), (r"\b_?[Bb]ool\b", "bool"),
                              (r"\binline\b", "inline"), (r"^\s*extern\s+(?!\"C\")", "exported data"),
                              (r"\b(int|long|short|unsigned|size_t)\s+\*?\w+\s*[,)(;]", "width not fixed"),
                              (r"\w+\s*:\s*\d+\s*;", "bitfield")):
            problems += [f"{path}: {what}: {found.group(0).strip()}"
                         for found in re.finditer(pattern, code, re.M)]
    none(problems, "hard to bind")
    harness.check(len(declared()) > 10, "the headers declare next to nothing")


@harness.test("include guards are named after the file")
def _():
    problems = []
    for path in files(r"(include|lib|tools|examples|tests)/.*\.h"):
        name = re.sub(r"^(include|lib)/", "", path)
        guard = re.sub(r"\W", "_", name).upper()
        guard = "TP_" + guard if path.startswith("lib/") else guard
        guard = re.sub(r"^TOOLS_", "TRIGPERF_TOOL_", guard)
        if f"#ifndef {guard}\n#define {guard}\n" not in read(path):
            problems.append(f"{path}: {guard}")
    none(problems, "include guards")


if __name__ == "__main__":
    os.chdir(ROOT)
    harness.main()
