#!/usr/bin/env python3
"""Everything that a file tree says about itself, one line for each name: describe_tree.py FOLDER

Name, kind, mode, owner, size, device, time to the nanosecond, target, content, extended attributes,
and the names that are the same file. What overlayfs keeps for itself, and SELinux's labels, are left
out. Not davit's code on purpose: it judges davit and others alike."""
import hashlib
import os
import stat
import sys

root = os.fsencode(sys.argv[1])
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFSOCK: "socket"}
names = {}


def walk(path):
    yield path
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for entry in sorted(os.listdir(path)):
            yield from walk(os.path.join(path, entry))


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


lines = []
for full in walk(root):
    info = os.lstat(full)
    kind = KINDS[stat.S_IFMT(info.st_mode)]
    shown = os.path.relpath(full, root)
    words = [repr(shown), kind, f"{stat.S_IMODE(info.st_mode):o}", f"{info.st_uid}:{info.st_gid}",
             f"mtime={info.st_mtime_ns}"]
    if kind == "file":
        words += [f"size={info.st_size}", digest(full)]
    if kind == "link":
        words.append(repr(os.readlink(full)))
    if kind in ("char", "block"):
        words.append(f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}")
    for key in sorted(os.listxattr(full, follow_symlinks=False)):
        if ".overlay." not in key and key != "security.selinux":
            words.append(f"{key}={os.getxattr(full, key, follow_symlinks=False)!r}")
    if kind != "folder":
        names.setdefault((info.st_dev, info.st_ino), []).append(shown)
    lines.append((info, words))
for info, words in lines:
    same = names.get((info.st_dev, info.st_ino), [])
    if len(same) > 1:
        words.append(f"same={same!r}")
    print(" ".join(words))
