#!/usr/bin/python3
"""The pages tell the truth: reference without warnings, code that compiles, links that lead somewhere."""

import ast
import ctypes
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
from harness import BUILD, ROOT, check, run, skip, test  # noqa: E402


def pages():
    return ["README.md"] + [os.path.relpath(path, ROOT)
                            for path in sorted(glob.glob(os.path.join(ROOT, "doc", "*.md")))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def blocks(language):
    """(page, line, code) of every fenced block of a language."""
    for page in pages():
        text = read(page)
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.S | re.M):
            yield page, text[:found.start()].count("\n") + 1, found.group(1)


@test("Doxygen has nothing to complain of")
def _():
    if shutil.which("doxygen") is None:
        skip("doxygen is not installed")
    run(["ninja", "-C", BUILD, "doc"], ok=True, timeout=300)


@test("the README shows a whole program")
def _():
    programs = [block for block in blocks("c") if block[0] == "README.md" and "main(" in block[2]]
    check(programs, "README.md shows no whole program in C")


@test("whole programs on the pages compile and link")
def _(tmp):
    flags = run(["pkg-config", "--cflags", "--libs", "libpq"], ok=True).out.split()
    for page, line, code in blocks("c"):
        if "main(" not in code:
            continue
        source = os.path.join(tmp, "page.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(f'#line {line + 1} "{page}"\n{code}')
        run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
             "-I" + os.path.join(ROOT, "include"), source, "-o", os.path.join(tmp, "page"),
             harness.LIBRARY, *flags, "-pthread"], ok=True)


@test("Python on the pages parses")
def _():
    for page, line, code in blocks("python"):
        try:
            ast.parse(code)
        except SyntaxError as wrong:
            raise harness.Failure(f"{page}:{line}: {wrong}") from wrong


@test("links lead to files that exist")
def _():
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```", "", read(page), flags=re.S)):
            if not re.match(r"[a-z]+:", target):
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
                    broken.append(f"{page}: {target}")
    harness.equal(broken, [], "broken links")


@test("the page on configuration is what the table says")
def _():
    library = harness.library()
    text = ctypes.c_char_p()
    harness.equal(library.trigperf_config_describe(b"markdown", ctypes.byref(text), None), 0, "status")
    check(text.value.decode().strip() in read("doc/configuration.md"),
          "doc/configuration.md is out of date: paste the output of `trigperf config --format markdown`")


if __name__ == "__main__":
    harness.main()
