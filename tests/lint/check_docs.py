#!/usr/bin/env python3
"""Fails where a document links to or names a file that is not there, a file names a path of
somebody's machine, or the table of defences is not that of scripts/prove-defences.py."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
SKIPPED = {"build", ".git"}
CHECKED = {".md", ".h", ".cpp", ".sh", ".py", ".txt", ".cmake", ".yaml", ".json"}
# The folder that this checkout lies in, unless every machine has one of that name.
COMMON = {"/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr/src", "/var/tmp"}
parent = root.parent.as_posix()
MACHINE_PATH = re.compile(r"""(^|[\s"'=(`])""" + re.escape(parent) + "/") if parent not in COMMON else None
LINK = re.compile(r"\]\(([^)#\s]+)")
# `folder/file.cpp` in running text; patterns such as `decode_*.cpp` are not looked up.
NAMED = re.compile(r"`((?:base|compose|image|network|runtime|builder|stack|cli|tests|scripts|bench|cmake)/"
                   r"[\w./-]+\.(?:h|cpp|py|sh|cmake))")


def files():
    for path in sorted(root.rglob("*")):
        if path.suffix in CHECKED and path.is_file() and not SKIPPED & set(path.relative_to(root).parts):
            yield path


def problems(path):
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if MACHINE_PATH and MACHINE_PATH.search(line):
            yield number, "a path of somebody's machine"
        if path.suffix != ".md":
            continue
        for target in LINK.findall(line):
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                yield number, f"'{target}' is not there"
        for name in NAMED.findall(line):
            if not (root / name).exists():
                yield number, f"'{name}' is not there"


found = [f"{path.relative_to(root)}:{number}: error: {what}"
         for path in files() for number, what in problems(path)]
tests = {case for path in (root / "tests").rglob("*.cpp")
         for case in re.findall(r'TEST_CASE\("([^"]+)"', path.read_text(encoding="utf-8"))}
promises = root / "docs/reliability.md"
for number, line in enumerate(promises.read_text(encoding="utf-8").splitlines(), 1):
    for case in re.findall(r'"([^"]+)"', line):
        if line.startswith("|") and case not in tests:
            found.append(f"docs/reliability.md:{number}: error: there is no test '{case}'")
table = subprocess.run([sys.executable, root / "scripts/prove-defences.py", "--table"],
                       capture_output=True, text=True, check=True).stdout
if table not in (root / "docs/security.md").read_text(encoding="utf-8"):
    found.append("docs/security.md:1: error: the table of defences is not what "
                 "'scripts/prove-defences.py --table' prints")
for case in re.findall(r'"([^"]+)"', table):
    if case not in tests and not any(test.startswith(case + " [") for test in tests):
        found.append(f"tests/defences/defences.toml:1: error: there is no test '{case}'")
print("\n".join(found) or "docs: ok")
sys.exit(bool(found))
