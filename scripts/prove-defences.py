#!/usr/bin/env python3
"""Shows that the tests of davit's defences can fail: takes one defence after the other out of the
tree (tests/defences/defences.toml says how), builds, and runs the test that must then fail. All of
it happens in a mount namespace of its own, on an overlay over the tree and its build, so that the
tree stays as it is. The attacks get through in it: run it where that does no harm, as root.

  scripts/prove-defences.py [NAME...]   only defences whose name contains one of NAME

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


class Tree:
    """The tree as the overlay shows it, with its build."""

    def __init__(self):
        self.folder = TOP
        self.build_folder = TOP / "build/dev"

    def build(self, programs):
        targets = [f"test_{name}" for name in programs] + ["davit", "davit-runtime"]
        built = run("cmake", "--build", self.build_folder, "--target", *targets,
                    capture_output=True)
        if built.returncode != 0:
            lines = [line for line in built.stdout.splitlines() if "error" in line]
            raise SystemExit("the tree does not build:\n" + "\n".join(lines[:10]))

    def passes(self, program, case):
        test = self.build_folder / "tests" / program / f"test_{program}"
        try:
            ran = run(test, f"--test-case={case}", cwd=test.parent,
                      capture_output=True, timeout=300)
        except subprocess.TimeoutExpired:
            return False
        if "test cases: 0 |" in ran.stdout:
            raise SystemExit(f"test_{program} has no case '{case}'")
        return ran.returncode == 0


def edited(text, old, new, name):
    if text.count(old) != 1:
        raise SystemExit(f"{name}: the text to be replaced is there {text.count(old)} times:\n{old}")
    return text.replace(old, new)


def without(tree, defence):
    """Takes a defence out; returns what puts it back."""
    before = {}
    for name, old, new in defence["edits"]:
        path = tree.folder / name
        before.setdefault(path, path.read_text())
        path.write_text(edited(path.read_text(), old, new, defence["name"]))
    return before


def main():
    wanted = sys.argv[1:]
    defences = [row for row in tomllib.loads(TABLE.read_text())["defence"]
                if not wanted or any(word in row["name"] for word in wanted)]
    programs = sorted({row["test"][0] for row in defences})
    unproven = 0
    tree = Tree()
    tree.build(programs)
    print("| taken out | attack | test | with | without |\n|---|---|---|---|---|")
    whole = [tree.passes(*row["test"]) for row in defences]
    for row, passed in zip(defences, whole):
        before = without(tree, row)
        tree.build([row["test"][0]])
        broken = tree.passes(*row["test"])
        for path, text in before.items():
            path.write_text(text)
        unproven += not passed or broken
        print(f'| {row["name"]} | {row["attack"]} | {row["test"][1].rstrip("*")} '
              f'| {"passes" if passed else "FAILS"} | {"PASSES" if broken else "fails"} |',
              flush=True)
    print(f"{len(defences)} defences, {unproven} not proven")
    return 1 if unproven else 0


if __name__ == "__main__":
    sys.exit(main() if INSIDE in os.environ else in_own_overlay())
