#!/usr/bin/python3
"""Turns migration files into a C array: embed.py OUTPUT.c 0001_name_up.sql 0001_name_down.sql ..."""
import pathlib
import re
import sys


def literal(text):
    lines = text.splitlines(keepends=True)
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for line in lines)
    return "\n".join(f'    "{line}"' for line in escaped)


def main(output, *paths):
    found = {}
    for path in map(pathlib.Path, paths):
        match = re.fullmatch(r"(\d{4})_(\w+)_(up|down)\.sql", path.name)
        if match is None:
            sys.exit(f"{path}: expected a name like 0001_name_up.sql")
        number, name, way = int(match[1]), match[2], match[3]
        found.setdefault((number, name), {})[way] = path.read_text(encoding="utf-8")
    numbers = [number for number, _ in sorted(found)]
    if numbers != list(range(1, len(numbers) + 1)):
        sys.exit(f"expected migrations numbered 1, 2, 3 ..., got {numbers}")
    parts = [
        "/* Made by embed.py from lib/db/sql. */",
        '#include "db/migrate.h"',
        '#include "db/migrations.h"',
        '#pragma GCC diagnostic ignored "-Woverlength-strings"',
        "",
    ]
    for (number, name), ways in sorted(found.items()):
        for way in ("up", "down"):
            if way not in ways:
                sys.exit(f"migration {number} {name} has no way {way}")
            parts.append(f"static const char {way}_{number}[] =\n{literal(ways[way])};\n")
    parts.append("const tp_migration tp_migrations[] = {")
    for number, name in sorted(found):
        parts.append(f'    {{{number}, "{name}", up_{number}, down_{number}}},')
    parts.append("};\n")
    parts.append(f'_Static_assert(TP_SCHEMA_VERSION == {len(numbers)}, "TP_SCHEMA_VERSION is the newest migration");')
    parts.append(f"const int32_t tp_migration_count = {len(numbers)};\n")
    pathlib.Path(output).write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
