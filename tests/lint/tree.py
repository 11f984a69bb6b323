"""The files of the repository, for the checks of this folder (standard library only)."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

LAYERS = ["base", "core", "pg", "db", "api"]


def tracked():
    """Paths below the root: those git knows, or all where this is no clone."""
    try:
        listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT,
                                capture_output=True, check=True, encoding="utf-8").stdout.split("\0")
        return sorted(p for p in listed if p and os.path.isfile(os.path.join(ROOT, p)))
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, _, names in os.walk(ROOT):
            below = os.path.relpath(folder, ROOT)
            if not re.match(r"(\.git|build)", below):
                found += [os.path.normpath(os.path.join(below, name)) for name in names]
        return sorted(found)


def files(pattern):
    return [path for path in tracked() if re.fullmatch(pattern, path)]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def includes(path):
    """(brackets, name) of every include: ('"', 'base/map.h') or ('<', 'stdio.h')."""
    return re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]', read(path), re.M)


def none(problems, what):
    """Fails with the list of problems."""
    harness.check(not problems, what + ":\n  " + "\n  ".join(problems))


def public_headers():
    return ["include/trigperf.h"] + files(r"include/trigperf/\w+\.h")


def declared():
    """Names of the functions that the public headers declare."""
    names = set()
    for path in public_headers():
        code = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
        code = re.sub(r"^\s*#.*(?:\\\n.*)*$", "", code, flags=re.M)
        names |= {name for name in re.findall(r"\b(trigperf_\w+)\s*\(", code)}
    return names
