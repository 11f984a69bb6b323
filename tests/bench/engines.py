"""What the suites of the in-memory engines share: building the programs of `engines`, and running them.

A contestant is run by itself in a process of its own, on processor time; rounds as in bench.py, so that
what counts is the median. Peers that are not installed are skipped.
"""

import os
import shutil
import subprocess

import harness

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "engines")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
FLAGS = ["-O3", "-DNDEBUG", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
LIBRARIES = ["libpq", "jansson", "libxxhash", "inih"]


def pkg_config(*names):
    """Flags to compile and to link with these packages; None when one is missing."""
    flags = []
    for what in ("--cflags", "--libs"):
        done = subprocess.run(["pkg-config", what, *names], capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            return None
        flags.append(done.stdout.split())
    return flags


class Program:
    """A program of the folder `engines` with the peers that can be had here."""

    def __init__(self, bench, name):
        self.bench, self.folder, self.flags, self.objects = bench, bench.folder, [], []
        self._compile("gcc", "uthash.c", "uthash_jenkins.o")
        self._compile("gcc", "uthash.c", "uthash_xxh3.o", "-DWITH_XXH3")
        linker = self._peers()
        self._compile("gcc", name + ".c", name + ".o", *self.flags)
        self.path = os.path.join(self.folder, name)
        archive = os.path.join(harness.BUILD, "lib", "libtrigperf_internal.a")
        cflags, libraries = pkg_config(*LIBRARIES)
        self._run([linker[0], "-o", self.path, *self.objects, archive, *cflags, *libraries, *linker[1:], "-lm",
                   "-pthread"])
        self.contestants = self._run([self.path, "--list"]).split()

    def _peers(self):
        """Compiles what is installed; the linker and its flags."""
        linker, glib, absl = ["gcc"], pkg_config("glib-2.0"), pkg_config("absl_hash", "absl_raw_hash_set")
        if glib is None:
            self.bench.skip("GLib", "libglib2.0-dev is not installed")
        else:
            self._compile("gcc", "glib.c", "glib.o", *glib[0])
            self.flags.append("-DWITH_GLIB")
            linker += glib[1]
        if absl is None or not shutil.which("g++"):
            self.bench.skip("Abseil", "libabsl-dev or g++ is not installed")
        else:
            self._compile("g++", "absl.cc", "absl.o", "-std=c++17", *absl[0])
            self.flags.append("-DWITH_ABSL")
            linker = ["g++", *linker[1:], *absl[1]]
        return linker

    def _compile(self, compiler, source, target, *flags):
        standard = ["-std=c11"] if compiler == "gcc" else []
        out = os.path.join(self.folder, target)
        self._run([compiler, *standard, *FLAGS, *flags, "-I" + os.path.join(ROOT, "include"),
                   "-I" + os.path.join(ROOT, "lib"), "-c", os.path.join(HERE, source), "-o", out])
        self.objects.append(out)

    @staticmethod
    def _run(argv):
        return subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8", check=True, timeout=600).stdout

    def __call__(self, contestant, *numbers):
        """Runs one contestant; {name: number} of what it printed."""
        words = self._run([self.path, contestant, *map(str, numbers)]).split()
        return dict(zip(words[::2], map(float, words[1::2])))
