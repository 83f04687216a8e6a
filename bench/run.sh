#!/usr/bin/env bash
# All benchmarks, one after the other, each beside what it is compared with, as far as that is
# installed; what is missing is said. Writes docs/performance.md: the machine in general terms, what
# each benchmark printed, and bars of what it compares as SVG files beside it.
#   -n N         how many rounds of each (default 3)
#   --build DIR  use the programs of this build folder (default build/release)
#   --only LIST  of start, stacks, chains, commands, load, pull, build, ports, forward (default: all)
#   --out FILE   instead of docs/performance.md; the SVG files go beside it
# Needs root and a quiet machine: half an hour of two processors, several where docker is measured.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
rounds=3 build=$top/build/release out=$top/docs/performance.md
only="start stacks chains commands load pull build ports forward"
while [ $# -gt 0 ]; do
    case "$1" in
        -n) rounds=$2; shift ;;
        --build) build=$(cd "$2" && pwd); shift ;;
        --only) only=$2; shift ;;
        --out) out=$2; shift ;;
        *) sed -n '2,9p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

with_docker() {
    if command -v dockerd > /dev/null; then "$top/tests/scenarios/with-docker.sh" "$@"; else "$@"; fi
}

# one NAME COMMAND...: its output to a file, and to who watches.
one() {
    local name=$1
    shift
    case " $only " in *" $name "*) ;; *) return 0 ;; esac
    echo "== $name" >&2
    # One that can't be run here must not keep the others from it.
    "$@" > "$results/$name" 2> "$results/$name.err" || {
        echo "(it ended with an error: $(tail -n 1 "$results/$name.err"))" >> "$results/$name"
    }
    cat "$results/$name" >&2
}

one start env DAVIT_RUNTIME="$build/bin/davit-runtime" "$top/bench/start.sh" $((rounds * 8))
one stacks with_docker "$top/bench/stack50.sh" -n "$rounds" --services "1 10 50 200" --build "$build"
one chains with_docker "$top/bench/stack50.sh" -n "$rounds" --services "10 50" --shapes chained --build "$build"
one commands with_docker "$top/bench/commands.sh" -n $((rounds * 5)) --build "$build"
one load "$top/bench/load.sh" -n $((rounds * 4)) --build "$build"
one pull "$top/bench/pull.sh" -n "$rounds" --build "$build"
one build "$top/bench/build.sh" -n "$rounds" --build "$build"
one ports "$top/bench/ports.sh" -n "$rounds" --build "$build"
one forward "$top/bench/forward.sh" -n "$rounds" --build "$build"

python3 "$top/bench/report.py" "$results" "$out" \
    "Linux $(uname -r | cut -d. -f1,2), $(nproc) processors, $(awk '/MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo) GiB of memory, load $(cut -d' ' -f1 /proc/loadavg) at the end; davit $("$build/bin/davit" version --short)"
echo "wrote $out" >&2
