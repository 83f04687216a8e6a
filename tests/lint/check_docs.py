#!/usr/bin/env python3
"""Fails where a document links to a file that is not there, or names a path of somebody's machine."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
found = []
skipped = {"build", ".git"}
for path in sorted(root.rglob("*.md")):
    if skipped & set(path.relative_to(root).parts):
        continue
    name = path.relative_to(root)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for target in re.findall(r"\]\(([^)#\s]+)", line):
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                found.append(f"{name}:{number}: error: '{target}' is not there")
for path in sorted(root.rglob("*")):
    parts = path.relative_to(root).parts
    if not path.is_file() or skipped & set(parts) or path.name == "check_docs.py":
        continue
    if path.suffix not in {".md", ".h", ".cpp", ".sh", ".py", ".txt", ".cmake", ".yaml", ".json"}:
        continue
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if re.search(r"(^|[\s\"'=(])/work/", line):
            found.append(f"{path.relative_to(root)}:{number}: error: a path of somebody's machine")
print("\n".join(found) or "docs: ok")
sys.exit(bool(found))
