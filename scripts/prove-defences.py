#!/usr/bin/env python3
"""Shows that the tests of davit's defences can fail: takes one defence after the other out of a
copy of the tree (tests/defences/defences.toml says how), builds, and runs the test that must then
fail. The attacks get through in it, so run it on a machine that may be harmed, as root.

  scripts/prove-defences.py [NAME...]   only defences whose name contains one of NAME

Prints a table, and ends with 1 where a test passed without its defence or failed with it."""

import pathlib
import subprocess
import sys
import tempfile
import tomllib

TOP = pathlib.Path(__file__).resolve().parent.parent
TABLE = TOP / "tests/defences/defences.toml"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, **options)


class Copy:
    """A copy of the working tree with a build of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        files = run("git", "-C", TOP, "ls-files", "-z", check=True, capture_output=True).stdout
        names = [name for name in files.split("\0") if name and (TOP / name).exists()]
        run("cp", "-a", "--parents", "-t", self.folder, *names, cwd=TOP, check=True)
        self.build_folder = self.folder / "build/dev"
        # What is taken out leaves parts that nobody uses; that is no reason not to build.
        run("cmake", "--preset", "dev", "-DCMAKE_COMPILE_WARNING_AS_ERROR=OFF", cwd=self.folder,
            check=True, capture_output=True)

    def build(self, programs):
        targets = [f"test_{name}" for name in programs] + ["davit", "davit-runtime"]
        built = run("cmake", "--build", self.build_folder, "--target", *targets,
                    capture_output=True)
        if built.returncode != 0:
            lines = [line for line in built.stdout.splitlines() if "error" in line]
            raise SystemExit("the copy does not build:\n" + "\n".join(lines[:10]))

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


def without(copy, defence):
    """Takes a defence out; returns what puts it back."""
    before = {}
    for name, old, new in defence["edits"]:
        path = copy.folder / name
        before.setdefault(path, path.read_text())
        path.write_text(edited(path.read_text(), old, new, defence["name"]))
    return before


def main():
    wanted = sys.argv[1:]
    defences = [row for row in tomllib.loads(TABLE.read_text())["defence"]
                if not wanted or any(word in row["name"] for word in wanted)]
    programs = sorted({row["test"][0] for row in defences})
    unproven = 0
    with tempfile.TemporaryDirectory(prefix="davit-defences-") as folder:
        copy = Copy(folder)
        copy.build(programs)
        print("| taken out | attack | test | with | without |\n|---|---|---|---|---|")
        whole = [copy.passes(*row["test"]) for row in defences]
        for row, passed in zip(defences, whole):
            before = without(copy, row)
            copy.build([row["test"][0]])
            broken = copy.passes(*row["test"])
            for path, text in before.items():
                path.write_text(text)
            unproven += not passed or broken
            print(f'| {row["name"]} | {row["attack"]} | {row["test"][1].rstrip("*")} '
                  f'| {"passes" if passed else "FAILS"} | {"PASSES" if broken else "fails"} |',
                  flush=True)
    print(f"{len(defences)} defences, {unproven} not proven")
    return 1 if unproven else 0


if __name__ == "__main__":
    sys.exit(main())
