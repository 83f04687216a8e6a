#!/usr/bin/env bash
# The time of `davit pull` beside `podman pull`, of about 180 MB of this host's own files in one gzip
# layer, from a docker-registry on the loopback of a network of its own: wall and processor seconds
# of each of N rounds, every round another image, nothing removed in between (ext4 without a journal
# is slow to use freed inodes again), and what decompressing and unpacking alone takes.
#   -n N             how many rounds (default 3)
#   --build DIR      use the programs of this build folder (default build/release)
#   --data-root DIR  where everything is made (default: a new folder below /var/tmp)
# Needs root, docker-registry and, to compare with, podman.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
    DAVIT_BENCH_INSIDE=1 exec unshare --net --mount "$0" "$@"
fi

rounds=3
build=$top/build/release
parent=/var/tmp
while [ $# -gt 0 ]; do
    case "$1" in
        -n) rounds=$2; shift ;;
        --build) build=$2; shift ;;
        --data-root) parent=$2; shift ;;
        *) sed -n '2,9p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }

ip link set lo up
work=$(mktemp -d "$parent/davit-bench.XXXXXX")
registry=
finish() {
    if [ -n "$registry" ]; then kill "$registry" 2>/dev/null || true; fi
    rm -rf --one-file-system "$work"
}
trap finish EXIT

cat >"$work/registry.yml" <<Y
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: '127.0.0.1:5055'}
Y
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
until curl -s -o /dev/null http://127.0.0.1:5055/v2/; do sleep 0.1; done

davit() { "$build/bin/davit" --progress quiet "$@"; }
# Real files, as an image has them, up to 180 MB.
find /usr/bin /usr/lib /usr/share -xdev -type f -size -4M -printf '%s %p\n' 2>/dev/null | LC_ALL=C sort -k2 |
    awk '(sum += $1) < 180e6 { print $2 }' >"$work/files"
for round in $(seq "$rounds"); do
    mkdir "$work/own" && echo "$round" >"$work/own/round"
    tar -cf "$work/root.tar" -C "$work/own" round -C / -T <(sed 's|^/||' "$work/files") 2>/dev/null
    davit --data-root "$work/maker" import "$work/root.tar" "127.0.0.1:5055/bench:$round" >/dev/null
    davit --data-root "$work/maker" push -q "127.0.0.1:5055/bench:$round" >/dev/null
    gzip -1 <"$work/root.tar" >"$work/root.tar.gz"
    rm -r "$work/own" "$work/root.tar"
done
printf '%s files, %s MB unpacked\n' "$(wc -l <"$work/files")" "$(($(gzip -dc <"$work/root.tar.gz" | wc -c) / 1000000))"

# timed NAME COMMAND…
timed() {
    local name=$1
    shift
    sync -f "$work"
    /usr/bin/env bash -c 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1' bash "$@" 2>"$work/time"
    awk -v name="$name" '{ printf "%-28s %6.2f s wall %6.2f s cpu\n", name, $1, $2 + $3 }' "$work/time"
}
for round in $(seq "$rounds"); do
    image=127.0.0.1:5055/bench:$round
    timed "davit pull" "$build/bin/davit" --data-root "$work/davit" pull -q "$image"
    if command -v podman >/dev/null; then
        timed "podman pull" podman --root "$work/podman" --runroot "$work/podman-run" \
            --storage-driver overlay pull -q --tls-verify=false "$image"
    fi
    mkdir "$work/plain-$round"
    timed "gzip -d | tar -x" sh -c "gzip -dc '$work/root.tar.gz' | tar -xC '$work/plain-$round'"
done
# The largest memory that a pull had.
/usr/bin/env python3 - "$build/bin/davit" "$work/davit-memory" "127.0.0.1:5055/bench:1" <<'P'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "--data-root", sys.argv[2], "pull", "-q", sys.argv[3]], check=True,
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(f"davit pull: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB of memory at most")
P
