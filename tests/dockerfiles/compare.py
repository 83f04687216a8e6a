#!/usr/bin/env python3
"""Builds every Dockerfile here with davit and with buildah, and compares what came out.

    compare.py DAVIT IMAGES [NAME...]

DAVIT: the program. IMAGES: folder of busybox.tar and nginx.tar (scripts/make-test-image.sh).
Compared are the configuration and the file tree: names, kinds, modes, owners, links, hard links,
devices, capabilities and contents. Exits with 77 where buildah or root is missing.

NAME.Dockerfile is built in NAME.context, or else in context/, to which some files are added that
git can't hold. Lines at its top: `# build: FLAGS` for both, `# differs: WHAT: WHY` for a difference
that is meant ("tree /etc/hosts", "config Shell"); one that isn't there any more is a failure too.
"""
import hashlib
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIP = 77
PATIENCE_S = 120
# What buildah leaves behind where its RUN mounted something, and davit takes away.
STUBS = {"run", "run/.containerenv", "run/secrets", "proc", "sys", "dev", "etc/hosts", "etc/hostname",
         "etc/resolv.conf"}
WORDS = ["Env", "Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal",
         "Shell", "Healthcheck", "OnBuild"]


def run(argv, **more):
    """Runs a command; one that hangs is ended, and named."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=PATIENCE_S, **more)
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(f"{shlex.join(map(str, argv))}: no end within {PATIENCE_S} s\n"
                           f"{(late.stdout or b'').decode(errors='replace')}") from late
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(map(str, argv))}: exit code {done.returncode}\n"
                           f"{done.stdout.decode(errors='replace')}")


def entry_of(archive, member):
    """What a tree holds at one name, as text."""
    words = [{tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "char",
              tarfile.BLKTYPE: "block"}.get(member.type, "file"), f"{member.uid}:{member.gid}"]
    if member.issym():
        words.append(f"to {member.linkname}")
    else:
        words.append(f"{member.mode & 0o7777:o}")
    if member.isreg():
        words.append(hashlib.sha256(archive.extractfile(member).read()).hexdigest())
    if member.ischr() or member.isblk():
        words.append(f"{member.devmajor}:{member.devminor}")
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith("SCHILY.xattr."):
            words.append(f"{key[13:]}={value!r}")
    return " ".join(words)


def forget(tree, name, itself):
    for known in [one for one in tree if (itself and one == name) or one.startswith(name + "/" if name else "")]:
        if known != name or itself:
            del tree[known]


def apply_layer(tree, file):
    """Puts a layer onto a tree: name to (entry, name of the file that holds its content)."""
    data = file.read()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
        members = archive.getmembers()
        for member in members:  # what a layer takes away is that of the layers below it
            folder, _, base = member.name.strip("/").removeprefix("./").rpartition("/")
            if base == ".wh..wh..opq":
                forget(tree, folder, False)
            elif base.startswith(".wh."):
                forget(tree, f"{folder}/{base[4:]}".strip("/"), True)
        for member in members:
            name = os.path.normpath(member.name).strip("/")
            if name == "." or name.rpartition("/")[2].startswith(".wh."):
                continue
            if not member.isdir():
                forget(tree, name, True)
            if member.islnk():
                target = os.path.normpath(member.linkname).strip("/")
                tree[name] = tree[target]
            else:
                inode = (id(archive), name)
                tree[name] = (entry_of(archive, member), inode)


def read_image(path):
    """Configuration and tree of a docker-archive."""
    with tarfile.open(path) as archive:
        def read(name):
            member = archive.getmember(name)
            while member.issym():
                member = archive.getmember(os.path.normpath(os.path.join(os.path.dirname(member.name),
                                                                         member.linkname)))
            return archive.extractfile(member)
        manifest = json.load(read("manifest.json"))[0]
        config = json.load(read(manifest["Config"]))
        tree = {}
        for layer in manifest["Layers"]:
            apply_layer(tree, read(layer))
    return config, tree


def described(config, tree):
    """One line a fact: what is compared."""
    facts = {}
    words = config.get("config") or {}
    labels = dict(words.get("Labels") or {})
    labels.pop("io.buildah.version", None)
    words = {**words, "Labels": labels}
    for key in WORDS:
        if words.get(key):
            facts[f"config {key}"] = json.dumps(words[key], sort_keys=True)
    if config.get("author"):
        facts["config author"] = config["author"]
    groups = {}
    for name, (entry, inode) in tree.items():
        facts[f"tree /{name}"] = entry
        groups.setdefault(inode, []).append(name)
    for names in groups.values():
        for name in names:
            if len(names) > 1:
                facts[f"tree /{name}"] += f" same as {sorted(names)}"
    return facts


def is_stub(fact, facts):
    """A name that is there only because something was mounted there: empty, or a folder."""
    name = fact.removeprefix("tree /")
    entry = facts.get(fact, "")
    empty = hashlib.sha256(b"").hexdigest()
    return name in STUBS and (entry.startswith("folder") or empty in entry)


def differences(ours, theirs):
    for fact in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(fact), theirs.get(fact)
        if mine == other or (mine is None and is_stub(fact, theirs)):
            continue
        yield fact, f"davit {mine}\n      buildah {other}"


def make_context(name, place):
    own = HERE / f"{name}.context"
    shutil.copytree(own if own.is_dir() else HERE / "context", place, symlinks=True)
    for folder, folders, files in os.walk(place):
        for one in folders + files:
            path = os.path.join(folder, one)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if one in folders or one.endswith(".sh") else 0o644)
    if own.is_dir():
        return
    (place / "empty").mkdir()
    (place / "nested" / "empty").mkdir(parents=True)
    for file, mode in (("private", 0o600), ("setuid", 0o4755)):
        (place / file).write_text(file)
        os.chmod(place / file, mode)
    (place / "closed").mkdir(mode=0o750)
    (place / "closed" / "in").write_text("in")
    os.chmod(place / "closed", 0o750)
    os.chmod(place / "closed" / "in", 0o640)
    for file, mode in (("archive.tar", "w"), ("archive.tar.gz", "w:gz"), ("archive.tar.xz", "w:xz"),
                       ("archive.tar.bz2", "w:bz2")):
        with tarfile.open(place / file, mode) as archive:
            for entry, kind, owner, bits in (("in", tarfile.DIRTYPE, 3, 0o750), ("in/file", tarfile.REGTYPE, 4, 0o640),
                                             ("in/link", tarfile.SYMTYPE, 0, 0o777)):
                member = tarfile.TarInfo(entry)
                member.type, member.uid, member.gid, member.mode = kind, owner, owner + 1, bits
                member.mtime, member.linkname = 1_700_000_000, "file" if kind == tarfile.SYMTYPE else ""
                member.size = 8 if kind == tarfile.REGTYPE else 0
                archive.addfile(member, io.BytesIO(b"archived"))


class Builders:
    def __init__(self, davit, images, scratch):
        self.scratch = scratch
        self.davit = [davit, "--data-root", str(scratch / "davit")]
        self.environment = {**os.environ, "DAVIT_RUN_ROOT": str(scratch / "run")}
        self.buildah = ["buildah", "--root", str(scratch / "root"), "--runroot", str(scratch / "runroot"),
                        "--storage-driver", "vfs"]
        for kind in ("busybox", "nginx"):
            archive = images / f"{kind}.tar"
            run(self.davit + ["load", "-i", str(archive)], env=self.environment)
            run(self.davit + ["tag", f"davit/{kind}:demo", f"local/{kind}:1"], env=self.environment)
            run(self.buildah + ["pull", f"docker-archive:{archive}"])
            run(self.buildah + ["tag", f"localhost/davit/{kind}:demo", f"localhost/local/{kind}:1"])

    def build(self, name, flags, context):
        """Configuration and tree as facts, of davit and of buildah."""
        file, image = HERE / f"{name}.Dockerfile", f"local/case-{name}:1"
        ours, theirs = self.scratch / "ours.tar", self.scratch / "theirs.tar"
        run(self.davit + ["-f", str(file), "build", "-t", image, *flags, "."], cwd=context, env=self.environment)
        run(self.davit + ["save", "-o", str(ours), image], env=self.environment)
        run(self.buildah + ["bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--layers=false",
                            "-f", str(file), "-t", f"localhost/{image}", *flags, "."], cwd=context)
        theirs.unlink(missing_ok=True)
        run(self.buildah + ["push", f"localhost/{image}", f"docker-archive:{theirs}"])
        return described(*read_image(ours)), described(*read_image(theirs))


def read_case(name):
    text = (HERE / f"{name}.Dockerfile").read_text()
    flags = [shlex.split(line) for line in re.findall(r"^# build: (.*)$", text, re.M)]
    meant = dict(re.findall(r"^# differs: (.+?): (.*)$", text, re.M))
    return [word for line in flags for word in line], meant


def compare(builders, name, scratch):
    """What is wrong with one case, as lines."""
    flags, meant = read_case(name)
    context = scratch / "contexts" / name
    make_context(name, context)
    try:
        found = dict(differences(*builders.build(name, flags, context)))
    except RuntimeError as failure:
        return [str(failure)]
    wrong = [f"{fact}:\n      {text}" for fact, text in found.items() if fact not in meant]
    return wrong + [f"{fact}: is said to differ, and doesn't" for fact in meant.keys() - found.keys()]


def main():
    davit, images, wanted = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        print("dockerfiles: skipped: needs root, and buildah")
        return SKIP
    if os.environ.get("DAVIT_DOCKERFILES_INSIDE") is None:
        # Builds make bridges and mounts: those of this machine are left alone.
        os.environ["DAVIT_DOCKERFILES_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, __file__, *sys.argv[1:]])
    run(["ip", "link", "set", "lo", "up"])
    names = wanted or sorted(path.name.removesuffix(".Dockerfile") for path in HERE.glob("*.Dockerfile"))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="davit-dockerfiles-") as folder:
        scratch = pathlib.Path(folder)
        builders = Builders(os.path.abspath(davit), images, scratch)
        for name in names:
            wrong = compare(builders, name, scratch)
            failed += bool(wrong)
            print(f"{'DIFFERS' if wrong else 'same':8}{name}", *(f"    {line}" for line in wrong), sep="\n", flush=True)
    print(f"{len(names)} Dockerfiles, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
