"""Turns queries into C strings: embed_query.py OUTPUT.c query_name.sql ..."""
import pathlib
import re
import sys

from embed import literal


def main(output, *paths):
    parts = ["/* Made by embed_query.py from lib/db/sql. */", '#include "db/queries.h"',
             '#pragma GCC diagnostic ignored "-Woverlength-strings"', ""]
    for path in map(pathlib.Path, paths):
        match = re.fullmatch(r"query_(\w+)\.sql", path.name)
        if match is None:
            sys.exit(f"{path}: expected a name like query_triggers.sql")
        text = re.sub(r"^--.*\n", "", path.read_text(encoding="utf-8"), flags=re.M)
        parts.append(f"const char tp_query_{match[1]}[] =\n{literal(text)};\n")
    pathlib.Path(output).write_text("\n".join(parts), encoding="utf-8")


main(*sys.argv[1:])
