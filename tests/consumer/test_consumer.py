#!/usr/bin/python3
"""A stranger's program finds the installed library through pkg-config alone.

TRIGPERF_PREFIX names the prefix that the library was installed into.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
from harness import ROOT, check, contains, equal, run, test  # noqa: E402

PREFIX = os.environ.get("TRIGPERF_PREFIX", os.path.join(ROOT, "build-test", "prefix"))
HERE = os.path.join(ROOT, "tests", "consumer")
ENV = {**os.environ, "PKG_CONFIG_PATH": os.path.join(PREFIX, "lib", "pkgconfig")}
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-O2"]


def pkg_config(*args):
    return run(["pkg-config", *args], env=ENV, ok=True).out.split()


def runs(program, libraries=True):
    """Runs a consumer and compares what it prints."""
    env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(PREFIX, "lib")} if libraries else None
    version = pkg_config("--modversion", "libtrigperf")[0]
    equal(run([program], env=env, ok=True).out, f"dashboard:7\n{version}\n", "output")


@test("a program in C")
def _(tmp):
    for compiler in ("gcc", "clang"):
        program = os.path.join(tmp, compiler)
        run([compiler, "-std=c11", *STRICT, os.path.join(HERE, "consumer.c"), "-o", program,
             *pkg_config("--cflags", "--libs", "libtrigperf")], env=ENV, ok=True)
        runs(program)


@test("a program in C++")
def _(tmp):
    for compiler in ("g++", "clang++"):
        program = os.path.join(tmp, compiler)
        run([compiler, "-std=c++11", *STRICT, os.path.join(HERE, "consumer.cc"), "-o", program,
             *pkg_config("--cflags", "--libs", "libtrigperf")], env=ENV, ok=True)
        runs(program)


@test("a program that carries the library inside")
def _(tmp):
    program = os.path.join(tmp, "static")
    required = pkg_config("--print-requires-private", "libtrigperf")
    run(["gcc", "-std=c11", *STRICT, os.path.join(HERE, "consumer.c"), "-o", program,
         *pkg_config("--cflags", "libtrigperf"), "-Wl,-Bstatic",
         *pkg_config("--libs", "libtrigperf"), "-Wl,-Bdynamic", *pkg_config("--libs", *required),
         "-pthread", "-lm"], env=ENV, ok=True)
    check("libtrigperf" not in run(["ldd", program], ok=True).out, "the shared library is still needed")
    runs(program, libraries=False)


@test("the shared library needs what it says and nothing more")
def _():
    out = run(["readelf", "-d", os.path.join(PREFIX, "lib", "libtrigperf.so")], ok=True).out
    contains(out, "[libtrigperf.so.0]", "name of the library")
    needed = {line.split("[")[1].split(".so")[0] for line in out.splitlines() if "(NEEDED)" in line}
    extra = needed - {"libpq", "libjansson", "libinih", "libxxhash", "libc", "libm", "ld-linux-x86-64"}
    equal(extra, set(), "further libraries")


@test("everything is installed: headers, libraries, command")
def _():
    for name in ["include/trigperf.h", "lib/libtrigperf.so", "lib/libtrigperf.so.0", "lib/libtrigperf.a",
                 "lib/pkgconfig/libtrigperf.pc", "bin/trigperf"]:
        check(os.path.exists(os.path.join(PREFIX, name)), f"{name} is missing")
    here = sorted(os.listdir(os.path.join(ROOT, "include", "trigperf")))
    there = sorted(os.listdir(os.path.join(PREFIX, "include", "trigperf")))
    equal(there, [name for name in here if name.endswith(".h")], "installed headers")


@test("the installed command runs from its prefix")
def _():
    env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(PREFIX, "lib")}
    contains(run([os.path.join(PREFIX, "bin", "trigperf"), "--help"], env=env, ok=True).out, "attach",
             "help")


if __name__ == "__main__":
    harness.main()
