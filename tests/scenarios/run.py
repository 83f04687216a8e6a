#!/usr/bin/env python3
"""Carries out the scenarios of this folder with davit, and with Docker Compose where asked to, and
compares what comes out; see README.md. Exit status 77: skipped."""
import argparse
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
IMAGE = "local/scenarios:1"
ID = re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[ +-][\d:]*(?: UTC)?)?|"
                  r"(?:About an? |Less than an? )?\d* ?(?:second|minute|hour)s?(?: ago)?")


class Scenario:
    def __init__(self, name):
        self.name, self.about, self.files, self.steps = name, "", {}, []
        self.differs = ""  # why Docker Compose does otherwise


def read_scenarios(path):
    scenarios, target = [], None
    for line in path.read_text().splitlines():
        if line.startswith("=== "):
            scenarios.append(Scenario(line[4:].strip()))
            target = None
        elif line.startswith(": ") and not scenarios[-1].steps and target is None:
            scenarios[-1].about = line[2:]
        elif line.startswith("@"):
            word, _, rest = line[1:].partition(" ")
            now = scenarios[-1]
            if word == "file":
                target = now.files.setdefault(rest, [])
            elif word == "await":
                line = f"until PROGRAM ps -a --format '{{{{.State}}}}' {rest} | grep -q exited; do sleep 0.1; done"
                now.steps.append({"kind": "sh", "words": line, "status": "0"})
                target = None
            elif word in ("run", "sh", "json"):
                now.steps.append({"kind": word, "words": rest, "status": "0"})
                target = None
            elif word in ("out", "lines"):
                target = now.steps[-1].setdefault(word, [])
            elif word == "differs":
                now.differs = rest
                target = None
            elif word == "loose":
                now.steps[-1]["loose"] = True
                target = None
            elif word in ("status", "err"):
                now.steps[-1][word] = rest
                target = None
            else:
                sys.exit(f"{path}: unknown line '{line}'")
        elif target is not None:
            target.append(line)
    return scenarios


def normalised(text, folder):
    # `docker compose logs` clears a terminal's line also where there is no terminal.
    text = text.replace("\x1b[2K", "")
    text = text.replace(str(folder), "DIR").replace(IMAGE, "IMAGE")
    lines = [re.sub(r"\s+", " ", TIME.sub("<time>", ID.sub("<id>", line))).strip()
             for line in text.splitlines()]
    return [line for line in lines if line]


def value_at(text, path):
    try:
        value = json.loads(text)
    except ValueError:
        return f"no JSON: {text!r}"
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError):
            return f"nothing at {path}"
    return json.dumps(value, sort_keys=True)


class Engine:
    """`program`: a line of shell that takes compose's words."""

    def __init__(self, name, program, environment):
        self.name, self.program, self.environment = name, program, environment

    def run(self, step, folder):
        words = step["words"]
        if step["kind"] == "json":
            path, words = words.split(" ", 1)
        program = f"{self.program} -p sc"
        if step["kind"] == "sh":
            line = words.replace("PROGRAM", program)
        else:
            # Templates have braces and bars, which the shell must not see.
            line = f"{program} " + re.sub(r"(\S*\{\{.*\}\}\S*)", r"'\1'", words)
        # Files, not pipes: what is left running must not be waited for.
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            done = subprocess.run(["timeout", "120", "sh", "-c", line], cwd=folder, stdout=stdout,
                                  stderr=stderr, env=self.environment, stdin=subprocess.DEVNULL)
            stdout.seek(0)
            stderr.seek(0)
            out, err = stdout.read(), stderr.read()
        if step["kind"] == "json":
            out = value_at(out, path)
        return done.returncode, normalised(out, folder), err

    def clean(self, folder):
        subprocess.run(["sh", "-c", f"{self.program} -p sc down -v -t 0 --remove-orphans"], cwd=folder,
                       capture_output=True, env=self.environment)


def problems_of(step, status, out, err):
    wanted = step["status"]
    if (wanted == "!0" and status == 0) or (wanted != "!0" and status != int(wanted)):
        yield f"status {status}, not {wanted}: {err.strip()[-400:]}"
    for kind, order in (("out", list), ("lines", sorted)):
        if kind in step:
            expected = [line.strip() for line in step[kind] if line.strip()]
            if order(out) != order(expected):
                yield f"printed {out}, not {expected}"
    if "err" in step and step["err"] not in err:
        yield f"standard error has no '{step['err']}': {err.strip()[-400:]}"


def carry_out(scenario, engine):
    """What was wrong, and what each step gave."""
    wrong, results = [], []
    with tempfile.TemporaryDirectory(prefix="sc-") as name:
        folder = pathlib.Path(name) / "sc"
        folder.mkdir()
        for file, lines in scenario.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("\n".join(lines).replace("IMAGE", IMAGE) + "\n")
        try:
            for step in scenario.steps:
                status, out, err = engine.run(step, folder)
                results.append((status, out))
                for problem in problems_of(step, status, out, err):
                    wrong.append(f"@{step['kind']} {step['words']}: {problem}")
        finally:
            engine.clean(folder)
    return wrong, results


def make_root(folder):
    """A root file system with busybox, as a tar archive."""
    root = folder / "root"
    for name in ("bin", "etc", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    for name in subprocess.run(["/bin/busybox", "--list"], text=True, capture_output=True).stdout.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    os.chmod(root / "tmp", 0o1777)
    archive = folder / "root.tar"
    subprocess.run(["tar", "--owner=0", "--group=0", "-C", root, "-cf", archive, "."], check=True)
    return archive


def davit_engine(program, folder, archive, docker):
    environment = dict(os.environ, DAVIT_DATA_ROOT=str(folder / "data"),
                       DAVIT_RUN_ROOT=str(folder / "run"), NO_COLOR="1")
    subprocess.run([program, "import", "-c", 'CMD ["sh"]', archive, IMAGE], check=True,
                   capture_output=True, env=environment)
    if not docker:
        return Engine("davit", program, environment)
    # A network of its own: dockerd's rules let nobody else's bridges through.
    subprocess.run(["ip", "netns", "add", "davit"], check=True)
    subprocess.run(["ip", "-n", "davit", "link", "set", "lo", "up"], check=True)
    return Engine("davit", f"nsenter --net=/run/netns/davit {program}", environment)


def docker_engine(archive):
    subprocess.run(["docker", "import", "-c", 'CMD ["sh"]', archive, IMAGE], check=True,
                   capture_output=True)
    return Engine("docker compose", "docker compose", dict(os.environ, NO_COLOR="1"))


def differences(scenario, ours, theirs):
    """Where two engines that both do as expected still print something else."""
    for step, mine, other in zip(scenario.steps, ours, theirs):
        same = step["kind"] in ("run", "json") and sorted(mine[1]) == sorted(other[1])
        if step["kind"] != "sh" and "loose" not in step and (not same or mine[0] != other[0]):
            yield f"@{step['kind']} {step['words']}: davit {mine}, docker compose {other}"


def problems(scenario, davit, docker):
    found, results = [], {}
    for engine in (davit, docker):
        # What Docker does otherwise, and davit on purpose not, is compared with nobody.
        if engine is None or (engine is docker and scenario.differs):
            continue
        wrong, results[engine.name] = carry_out(scenario, engine)
        found += [f"{engine.name}: {line}" for line in wrong]
    if len(results) == 2 and not found:
        found += differences(scenario, *results.values())
    return found


def enter_namespaces(docker):
    """Links, rules and, for Docker, processes are nobody else's."""
    if os.environ.get("SCENARIOS_INSIDE"):
        return
    os.environ["SCENARIOS_INSIDE"] = "1"
    again = [sys.executable, str(HERE / "run.py"), *sys.argv[1:]]
    if docker:
        os.execv(HERE / "with-docker.sh", [str(HERE / "with-docker.sh"), *again])
    inside = 'ip link set lo up; exec "$@"'
    os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-c", inside, "sh", *again])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--davit", help="this program")
    parser.add_argument("--docker", action="store_true", help="Docker Compose, too or alone")
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    scenarios = [s for path in sorted(HERE.glob("*.scenarios")) for s in read_scenarios(path)]
    scenarios = [s for s in scenarios if fnmatch.fnmatch(s.name, arguments.only)]
    if arguments.list:
        for scenario in scenarios:
            print(f"{scenario.name}: {scenario.about}")
        return 0
    if os.geteuid() != 0 or not pathlib.Path("/bin/busybox").exists():
        print("skipped: needs root and busybox-static")
        return 77
    enter_namespaces(arguments.docker)
    failed, compared = 0, 0
    with tempfile.TemporaryDirectory(prefix="scenarios-") as name:
        folder = pathlib.Path(name)
        archive = make_root(folder)
        davit = davit_engine(os.path.abspath(arguments.davit), folder, archive, arguments.docker) if arguments.davit else None
        docker = docker_engine(archive) if arguments.docker else None
        for scenario in scenarios:
            wrong = problems(scenario, davit, docker)
            compared += davit is not None and docker is not None and not scenario.differs
            if wrong:
                failed += 1
                print(f"{scenario.name} ({scenario.about}):")
                for line in wrong:
                    print(f"    {line}", flush=True)
            elif docker and scenario.differs:
                print(f"{scenario.name}: not compared: {scenario.differs}")
    print(f"{len(scenarios) - failed} of {len(scenarios)} scenarios passed"
          + (f", {compared} of them on both" if docker and davit else ""))
    return 1 if failed else 0


sys.exit(main())
