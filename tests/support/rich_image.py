#!/usr/bin/env python3
"""An OCI layout of an image that has in it what unpacking gets wrong: rich_image.py FOLDER NAME [new]

Three layers, written by GNU tar and not by davit: names that are long, have blanks, line ends and
bytes that are no UTF-8; owners beyond 2^21; setuid, setgid and sticky bits; times to the nanosecond,
of 1970 and of 2100; hard links over folders and of a symbolic link; devices and a FIFO; extended
attributes and file capabilities; whiteouts, opaque folders, and names that change their kind from
layer to layer. With "new" also what podman and skopeo load but can't write as a docker-archive: a
sparse file and a layer of zstd. Needs root."""
import gzip
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

folder, name = sys.argv[1], sys.argv[2]
new = sys.argv[3:] == ["new"]
work = tempfile.mkdtemp(prefix="davit-rich-")
os.umask(0)


class Tree:
    def __init__(self, label):
        self.root = os.fsencode(os.path.join(work, label))
        self.times = []
        os.mkdir(self.root, 0o755)

    def path(self, path):
        return os.path.join(self.root, os.fsencode(path))

    def dress(self, path, mode=None, owner=(0, 0), time=1600000000 * 10**9, xattrs=None):
        full = self.path(path)
        os.chown(full, *owner, follow_symlinks=False)
        if mode is not None:
            os.chmod(full, mode)
        for key, value in (xattrs or {}).items():
            os.setxattr(full, key, value, follow_symlinks=False)
        self.times.append((full, time))

    def file(self, path, content=b"", mode=0o644, **more):
        with open(self.path(path), "wb") as out:
            out.write(content)
        self.dress(path, mode, **more)

    def folder(self, path, mode=0o755, **more):
        os.mkdir(self.path(path))
        self.dress(path, mode, **more)

    def link(self, path, target, **more):
        os.symlink(os.fsencode(target), self.path(path))
        self.dress(path, **more)

    def node(self, path, kind, device=0, mode=0o600, **more):
        os.mknod(self.path(path), kind | mode, device)
        self.dress(path, mode, **more)

    def tar(self, *options):
        # Folders last: what is made in them changes their times.
        for full, time in sorted(self.times, key=lambda one: -len(one[0])):
            os.utime(full, ns=(time, time), follow_symlinks=False)
        os.utime(self.root, ns=(15 * 10**17, 15 * 10**17))
        out = os.fsdecode(self.root) + ".tar"
        subprocess.run(["tar", "--sort=name", "--numeric-owner", *options, "-C", self.root, "-cf", out, "."],
                       check=True)
        with open(out, "rb") as tar:
            return tar.read()


CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")

low = Tree("low")
for path in ("etc", "usr", "usr/bin", "opaque", "becomes-file", "stays"):
    low.folder(path)
low.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
low.file("etc/gone", b"hidden by the next layer")
low.file("etc/changed", b"first", owner=(7, 8))
low.file("opaque/old", b"hidden")
low.file("becomes-file/in", b"hidden")
low.file("becomes-folder", b"a file")
low.file("stays/kept", b"kept", time=1500000000123456789)
low.folder("tmp", 0o1777)
low.folder("locked", 0o700, owner=(1000, 1000), time=1234567890 * 10**9)
low.file("usr/bin/su", b"#!/bin/sh\n" * 300, 0o4755)
low.file("usr/bin/wall", b"w", 0o2755, owner=(0, 5))
low.file("usr/bin/ping", b"p", 0o755, owner=(0, 9), xattrs={"security.capability": CAPABILITY})
low.file("nobody-reads", b"secret", 0o000)
low.file("far-owner", b"x", owner=(3000000, 4000000000))
low.file("old", b"x", time=0)
low.file("late", b"x", time=4102444800 * 10**9)
low.file("name with blanks", b"x")
low.file("line\nend", b"x")
low.file(b"latin-\xe9\xff", b"x")
low.file("long-" + "n" * 250, b"x")
deep = "deep"
low.folder(deep)
for number in range(8):
    deep += "/" + "d" * 60
    low.folder(deep)
low.file(deep + "/end", b"x")
low.link("absolute", "/etc/passwd", time=1500000001 * 10**9)
low.link("relative", "../../outside")
low.link("far", "t/" * 100 + "end", owner=(1000, 1000))
low.file("linked", b"three names")
os.link(low.path("linked"), low.path("usr/linked"))
os.link(low.path("linked"), low.path("usr/bin/linked"))
os.link(low.path("relative"), low.path("relative-too"), follow_symlinks=False)
low.node("pipe", stat.S_IFIFO, mode=0o640)
low.node("null", stat.S_IFCHR, os.makedev(1, 3), 0o666)
low.node("disk", stat.S_IFBLK, os.makedev(7, 300), 0o660, owner=(0, 6))
low.file("noted", b"x", xattrs={"user.note": b"bytes\0and more"})
low.folder("noted-folder", xattrs={"user.note": b"folder"})
low.file("sparse")
with open(low.path("sparse"), "r+b") as out:
    out.write(b"head")
    out.seek(1 << 20)
    out.write(b"middle" * 1000)
    out.truncate(3 << 20)

middle = Tree("middle")
for path in ("etc", "opaque", "becomes-folder", "usr", "usr/bin"):
    middle.folder(path, time=1650000000 * 10**9)
middle.file("etc/.wh.gone")
middle.file("etc/changed", b"second", 0o600)
middle.file("opaque/.wh..wh..opq")
middle.file("opaque/new", b"new")
middle.file("becomes-file", b"now a file")
middle.file("becomes-folder/in", b"now in a folder")

top = Tree("top")
top.folder("usr", 0o755, time=1660000000 * 10**9)
top.file("usr/.wh.linked")
top.file(".wh.late")
top.file("last", b"of all", xattrs={"security.capability": CAPABILITY})


def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{folder}/blobs/sha256/{digest}", "wb") as out:
        out.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


os.makedirs(folder + "/blobs/sha256")
tars = [low.tar("--format=pax", "--xattrs", "--xattrs-include=*",
                *(["--sparse"] if new else [])),
        middle.tar("--format=gnu"),  # podman takes no sparse files of this form
        top.tar("--format=pax", "--xattrs", "--xattrs-include=*")]
layers = [dict(blob(gzip.compress(tars[0], 6, mtime=0)), mediaType="application/vnd.oci.image.layer.v1.tar+gzip"),
          dict(blob(tars[1]), mediaType="application/vnd.oci.image.layer.v1.tar")]
if new and shutil.which("zstd"):
    packed = subprocess.run(["zstd", "-qc"], input=tars[2], stdout=subprocess.PIPE, check=True).stdout
    layers.append(dict(blob(packed), mediaType="application/vnd.oci.image.layer.v1.tar+zstd"))
else:
    layers.append(dict(blob(tars[2]), mediaType="application/vnd.oci.image.layer.v1.tar"))
machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
config = {"created": "2024-01-01T00:00:00Z", "architecture": machine, "os": "linux",
          "config": {"Cmd": ["/bin/true"], "Env": ["A=b"], "Labels": {"kind": "rich"}},
          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in tars]},
          "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(3)]}
manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": dict(blob(json.dumps(config).encode()), mediaType="application/vnd.oci.image.config.v1+json"),
            "layers": layers}
entry = dict(blob(json.dumps(manifest).encode()), mediaType=manifest["mediaType"],
             annotations={"org.opencontainers.image.ref.name": name})
with open(folder + "/index.json", "w", encoding="utf-8") as out:
    json.dump({"schemaVersion": 2, "manifests": [entry]}, out)
with open(folder + "/oci-layout", "w", encoding="utf-8") as out:
    out.write('{"imageLayoutVersion": "1.0.0"}')
shutil.rmtree(work)
