#!/usr/bin/env python3
"""Fails where a source file has more than 500 lines: it is two files by then."""
import pathlib
import sys

LIMIT = 500
FOLDERS = ["base", "compose", "image", "network", "runtime", "builder", "stack", "cli", "tests",
           "fuzz"]

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
found = []
for folder in FOLDERS:
    for path in sorted((root / folder).rglob("*")):
        if path.suffix in {".h", ".cpp"}:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LIMIT:
                found.append(f"{path.relative_to(root)}: error: {lines} lines, at most {LIMIT}")
print("\n".join(found) or "sizes: ok")
sys.exit(bool(found))
