#!/usr/bin/env python3
"""Shows that the tests of davit's defences can fail: takes one defence after the other out of the
tree (tests/defences/defences.toml says how), builds, and runs the test that must then fail. All of
it happens in a mount namespace of its own, on an overlay over the tree and its build, so that the
tree stays as it is. The attacks get through in it: run it where that does no harm, as root.

  scripts/prove-defences.py [NAME...]   only defences whose name contains one of NAME
  scripts/prove-defences.py --table     runs nothing, prints the table of docs/security.md; fails where
                                        the texts of a row are no longer in the tree

Needs a build in build/dev. Prints a table, and ends with 1 where a test passed without its defence
or failed with it."""

import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib

TOP = pathlib.Path(__file__).resolve().parent.parent
INSIDE = "DAVIT_DEFENCES_INSIDE"
TABLE = TOP / "tests/defences/defences.toml"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, **options)


def in_own_overlay():
    """Starts this script again where everything that it writes goes to an overlay."""
    with tempfile.TemporaryDirectory(prefix="davit-defences-") as folder:
        for name in ("upper", "work"):
            (pathlib.Path(folder) / name).mkdir()
        layers = f"lowerdir={TOP},upperdir={folder}/upper,workdir={folder}/work"
        script = 'mount -t overlay davit-defences -o "$0" "$1" && cd "$1" && shift && exec "$@"'
        return run("unshare", "-m", "sh", "-c", script, layers, TOP, sys.executable, __file__,
                   *sys.argv[1:], env={**os.environ, INSIDE: "yes"}).returncode


class BuildFailed(Exception):
    """With the compiler's errors."""


class Tree:
    """The tree as the overlay shows it, with its build."""

    def __init__(self):
        self.folder = TOP
        self.build_folder = TOP / "build/dev"

    def build(self, programs):
        targets = [f"test_{name}" for name in programs]  # test_runtime brings its davit-runtime
        if "system" in programs:
            targets += ["davit", "davit-runtime"]
        built = run("cmake", "--build", self.build_folder, "--target", *targets,
                    capture_output=True)
        if built.returncode != 0:
            lines = [line for line in built.stdout.splitlines() if "error:" in line]
            raise BuildFailed("\n".join(lines[:3]))

    def programs_of(self, program):
        """What decides how a test of this program ends."""
        return [self.build_folder / f"tests/{program}/test_{program}", self.build_folder / "bin/davit",
                self.build_folder / "bin/davit-runtime"]

    def passes(self, program, case):
        """Whether the test passes; None where this machine can't show it (ctest's 77)."""
        test = self.programs_of(program)[0]
        pattern = case.replace(",", "\\,")  # commas separate patterns
        try:
            # What has no limit any more, as aliases of YAML, is not to take the machine's memory.
            ran = run("prlimit", f"--as={8 << 30}", test, f"--test-case={pattern}", cwd=test.parent,
                      capture_output=True, timeout=300)
        except subprocess.TimeoutExpired:
            return False
        if "test cases: 0 |" in ran.stdout:
            raise SystemExit(f"test_{program} has no case '{case}'")
        return None if ran.returncode == 77 else ran.returncode == 0


def edited(text, old, new, name):
    if text.count(old) != 1:
        raise SystemExit(f"{name}: the text to be replaced is there {text.count(old)} times:\n{old}")
    return text.replace(old, new)


def texts_without(folder, defence):
    """The files as they would be without a defence, by path."""
    texts = {}
    for name, old, new in defence["edits"]:
        path = folder / name
        texts[path] = edited(texts.get(path) or path.read_text(), old, new, defence["name"])
    return texts


def without(tree, defence):
    """Takes a defence out; returns what puts it back."""
    texts = texts_without(tree.folder, defence)
    before = {path: path.read_text() for path in texts}
    for path, text in texts.items():
        path.write_text(text)
    return before


def table(defences):
    """What docs/security.md says of them; tests/lint/check_docs.py compares the two."""
    print("| what stands against it | attack | test | without it |\n|---|---|---|---|")
    for row in defences:
        texts_without(TOP, row)  # says so where the tree has left a row behind
        program, case = row["test"]
        print(f'| {row["name"]} | {row["attack"]} | `{program}`: "{case.rstrip("*").strip()}" '
              f'| {row["shows"]} |')


def main():
    wanted = [word for word in sys.argv[1:] if word != "--table"]
    defences = [row for row in tomllib.loads(TABLE.read_text())["defence"]
                if not wanted or any(word in row["name"] for word in wanted)]
    if "--table" in sys.argv:
        return table(defences)
    programs = sorted({row["test"][0] for row in defences})
    unproven = 0
    tree = Tree()
    tree.build(programs)
    print("| taken out | attack | test | with | without |\n|---|---|---|---|---|")
    whole = {test: tree.passes(*test) for test in dict.fromkeys(tuple(row["test"]) for row in defences)}
    skipped = 0
    for row in defences:
        program, case = row["test"]
        passed = whole[program, case]
        if passed is None:
            skipped += 1
            print(f'| {row["name"]} | {row["attack"]} | {case.rstrip("*")} | skipped here | |', flush=True)
            continue
        before = without(tree, row)
        try:
            tree.build([program])
            broken = tree.passes(program, case)
            outcome = "PASSES" if broken else "fails"
        except BuildFailed as problem:
            broken = True
            outcome = f"DOES NOT BUILD: {problem}"
        for path, text in before.items():
            path.write_text(text)
        unproven += not passed or broken
        print(f'| {row["name"]} | {row["attack"]} | {case.rstrip("*")} '
              f'| {"passes" if passed else "FAILS"} | {outcome} |', flush=True)
    print(f"{len(defences)} defences, {unproven} not proven, {skipped} can't be shown on this machine")
    return 1 if unproven else 0


if __name__ == "__main__":
    alone = INSIDE in os.environ or "--table" in sys.argv
    sys.exit(main() if alone else in_own_overlay())
