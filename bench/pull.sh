#!/usr/bin/env bash
# The time of `davit pull` and `davit load` beside podman, containerd and docker, as far as these are
# installed, all in one run: about 180 MB of this host's own files in one gzip layer, from a
# docker-registry on the loopback of a network of its own. Of each of N rounds wall and processor
# seconds and peak memory; every round another image, nothing removed in between (ext4 without a
# journal is slow to use freed inodes again). Beside them what decompressing and unpacking alone
# takes, by the fastest programs that are here (igzip of the package isal, else gzip; tar).
#   -n N             how many rounds (default 3)
#   --build DIR      use the programs of this build folder (default build/release)
#   --data-root DIR  where everything is made (default: a new folder below /var/tmp)
# Needs root and docker-registry. Daemons that it compares with are its own, and end with it.
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
        --build) build=$(cd "$2" && pwd); shift ;;
        --data-root) parent=$2; shift ;;
        *) sed -n '2,12p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }
if ! command -v docker-registry >/dev/null; then echo "needs the package docker-registry" >&2; exit 1; fi

ip link set lo up
work=$(mktemp -d "$parent/davit-bench.XXXXXX")
own=()
finish() {
    for pid in "${own[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${own[@]}"; do wait "$pid" 2>/dev/null || true; done
    findmnt -rno TARGET | grep -F "$work" | LC_ALL=C sort -r | xargs -r -n1 umount -l 2>/dev/null || true
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
own+=($!)
until curl -s -o /dev/null http://127.0.0.1:5055/v2/; do sleep 0.1; done

peers=(davit)
if command -v podman >/dev/null; then peers+=(podman); fi
if command -v containerd >/dev/null && command -v ctr >/dev/null; then
    printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$work/containerd.toml"
    containerd --config "$work/containerd.toml" --root "$work/containerd" --state "$work/containerd-run" \
        --address "$work/containerd.sock" >"$work/containerd.log" 2>&1 &
    own+=($!)
    for _ in $(seq 100); do if [ -S "$work/containerd.sock" ]; then break; fi; sleep 0.1; done
    if [ -S "$work/containerd.sock" ]; then peers+=(containerd); fi
fi
if command -v dockerd >/dev/null && [[ " ${peers[*]} " == *" containerd "* ]]; then
    dockerd --data-root "$work/docker" --exec-root "$work/docker-run" --pidfile "$work/docker.pid" \
        --containerd "$work/containerd.sock" -H "unix://$work/docker.sock" --bridge none \
        --iptables=false --ip6tables=false --ip-forward=false >"$work/docker.log" 2>&1 &
    own+=($!)
    for _ in $(seq 100); do if [ -S "$work/docker.sock" ]; then break; fi; sleep 0.1; done
    if docker -H "unix://$work/docker.sock" info >/dev/null 2>&1; then peers+=(docker); fi
fi

maker() { "$build/bin/davit" --progress quiet --data-root "$work/maker" "$@"; }
# Real files, as an image has them, up to 180 MB.
find /usr/bin /usr/lib /usr/share -xdev -type f -size -4M -printf '%s %p\n' 2>/dev/null | LC_ALL=C sort -k2 |
    awk '(sum += $1) < 180e6 { print $2 }' >"$work/files"
for round in $(seq "$((rounds * 2))"); do  # half of them to pull, half to load
    mkdir "$work/own" && echo "$round" >"$work/own/round"
    tar -cf "$work/root.tar" -C "$work/own" round -C / -T <(sed 's|^/||' "$work/files") 2>/dev/null
    image=127.0.0.1:5055/bench:$round
    maker import "$work/root.tar" "$image" >/dev/null
    if [ "$round" -le "$rounds" ]; then
        maker push -q "$image" >/dev/null
        # The layer as the registry has it: what is decompressed alone is the same bytes.
        packed=$(find "$work/registry" -name data -size +1M -newer "$work/root.tar" -print -quit)
    else
        maker save -o "$work/archive-$round.tar" "$image"
    fi
    rm -r "$work/own" "$work/root.tar"
done
printf '%s files, %s MB unpacked, %s MB packed; %s processors\n' "$(wc -l <"$work/files")" \
    "$(($(gzip -dc <"$packed" | wc -c) / 1000000))" "$(($(stat -c %s "$packed") / 1000000))" \
    "$(nproc)"

# measure NAME COMMAND…: a line with what it took, and one for the summary. What a daemon uses is not
# seen here: only its wall time counts.
cat >"$work/measure.py" <<'P'
import os, sys, time
name, summary, command = sys.argv[1], sys.argv[2], sys.argv[3:]
begin = time.monotonic()
child = os.fork()
if child == 0:
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    os.execvp(command[0], command)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - begin
if status != 0:
    sys.exit(f"{name}: failed")
print(f"{name:30} {wall:6.2f} s wall {usage.ru_utime + usage.ru_stime:6.2f} s cpu "
      f"{usage.ru_maxrss / 1024:6.0f} MB at most", flush=True)
with open(summary, "a", encoding="utf-8") as out:
    out.write(f"{name}\t{wall}\t{usage.ru_maxrss / 1024}\n")
P
measure() {
    local name=$1
    shift
    sync -f "$work"
    python3 "$work/measure.py" "$name" "$work/summary" "$@"
}
unpack=gzip
if command -v igzip >/dev/null; then unpack=igzip; fi
podman=(podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver overlay)
for round in $(seq "$rounds"); do
    image=127.0.0.1:5055/bench:$round
    for peer in "${peers[@]}"; do
        case $peer in
            davit) measure "davit pull" "$build/bin/davit" --data-root "$work/davit" pull -q "$image" ;;
            podman) measure "podman pull" "${podman[@]}" pull -q --tls-verify=false "$image" ;;
            containerd) measure "ctr images pull" ctr -a "$work/containerd.sock" images pull --plain-http "$image" ;;
            docker) measure "docker pull" docker -H "unix://$work/docker.sock" pull -q "$image" ;;
        esac
    done
    mkdir "$work/plain-$round"
    measure "$unpack -d | tar -x, sync" sh -c \
        "$unpack -dc <'$packed' | tar -xC '$work/plain-$round' && sync -f '$work'"
done
for round in $(seq "$((rounds + 1))" "$((rounds * 2))"); do
    archive=$work/archive-$round.tar
    for peer in "${peers[@]}"; do
        case $peer in
            davit) measure "davit load" "$build/bin/davit" --data-root "$work/davit" load -q -i "$archive" ;;
            podman) measure "podman load" "${podman[@]}" load -q -i "$archive" ;;
            containerd) measure "ctr images import" ctr -a "$work/containerd.sock" images import "$archive" ;;
            docker) measure "docker load" docker -H "unix://$work/docker.sock" load -q -i "$archive" ;;
        esac
    done
done

python3 - "$work/summary" <<'P'
import collections, statistics, sys
times, memory = collections.defaultdict(list), collections.defaultdict(float)
for line in open(sys.argv[1], encoding="utf-8"):
    name, wall, most = line.rstrip("\n").split("\t")
    times[name].append(float(wall))
    memory[name] = max(memory[name], float(most))
median = {name: statistics.median(all) for name, all in times.items()}
print("\nmedians:")
for name, wall in median.items():
    print(f"  {name:28} {wall:6.2f} s")
alone = next(wall for name, wall in median.items() if "tar -x" in name)
for mine, others in (("davit pull", ("podman pull", "ctr images pull", "docker pull")),
                     ("davit load", ("podman load", "ctr images import", "docker load"))):
    print(f"{mine}: {median[mine] / alone:.2f} times decompressing and unpacking alone, "
          f"{memory[mine]:.0f} MB of memory at most")
    there = {name: median[name] for name in others if name in median}
    if there:
        best = min(there, key=there.get)
        print(f"{mine}: {there[best] / median[mine]:.1f} times as fast as the fastest other, {best}")
P
