#!/usr/bin/env bash
# How long one container takes from the command to the first instruction of its program, and to its
# end, beside other OCI runtimes in one run; and the private memory of davit's guards.
#   bench/start.sh [ROUNDS]
# Every runtime gets the same bundle and takes turns, so that a busy moment hits all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-40}
davit=$(readlink -f "${DAVIT_RUNTIME:-build/release/bin/davit-runtime}")
[ -x "$davit" ] || { echo "bench: '$davit' is not built: cmake --build --preset release" >&2; exit 1; }

if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    DAVIT_BENCH_INSIDE=$scratch DAVIT_RUNTIME=$davit unshare -m -p -f --mount-proc --kill-child \
        "$PWD/bench/start.sh" "$rounds"
    exit
fi

# crun takes no machine with both versions of cgroups. In this mount namespace there is one then.
umount /sys/fs/cgroup/unified 2>/dev/null || true
cd "$DAVIT_BENCH_INSIDE"
mkdir -p bundle/rootfs/{bin,proc,dev,sys}
cp /bin/busybox bundle/rootfs/bin/
(cd bundle && "$davit" spec)
python3 - "$davit" "$rounds" "$DAVIT_BENCH_INSIDE" <<'PYTHON'
import json, os, shutil, statistics, subprocess, sys, time

davit, rounds, scratch = sys.argv[1], int(sys.argv[2]), sys.argv[3]
bundle = scratch + "/bundle"
with open(bundle + "/config.json") as file:
    config = json.load(file)
config["process"].update(terminal=False, args=["/bin/busybox", "echo", "here"])
# The oldest of the others knows no newer version.
config["ociVersion"] = "1.0.2"
config["process"]["rlimits"] = []
config["linux"]["seccomp"]["architectures"] = ["SCMP_ARCH_X86_64"]
with open(bundle + "/config.json", "w") as file:
    json.dump(config, file)

runtimes = [("davit-runtime", davit)]
runtimes += [(name, path) for name in ("crun", "runc") if (path := shutil.which(name))]
to_program, to_end = {}, {}
for turn in range(rounds + 2):
    for name, path in runtimes:
        begin = time.monotonic()
        with subprocess.Popen([path, "--root", f"{scratch}/{name}", "run", "-b", bundle, f"bench{turn}"],
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as run:
            said = run.stdout.readline()  # the program runs
            middle = time.monotonic()
            status = run.wait()
        end = time.monotonic()
        if status != 0 or said != b"here\n":
            sys.exit(f"bench: {name} ends with {status}")
        if turn < 2:
            continue  # caches fill
        to_program.setdefault(name, []).append((middle - begin) * 1000)
        to_end.setdefault(name, []).append((end - begin) * 1000)
print(f"median of {rounds} rounds, ms      until the program runs   until all is gone")
for name, _ in runtimes:
    print(f"{name:<32} {statistics.median(to_program[name]):>20.1f} {statistics.median(to_end[name]):>19.1f}")
PYTHON
for pid in $(pgrep -x davit-runtime || true); do
    awk -v pid="$pid" '/^Private_(Clean|Dirty)/ { sum += $2 } END { printf "guard %s: %d KiB private\n", pid, sum }' \
        "/proc/$pid/smaps_rollup"
done
