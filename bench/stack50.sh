#!/usr/bin/env bash
# `up -d`, a second `up -d`, `ps` and `down` of a project of many services: the median of N
# runs in milliseconds, beside docker compose and podman-compose where these are installed and work.
#   -n N             how many runs (default 5)
#   --services LIST  how many services (default "50 200")
#   --shapes LIST    of flat, chained: services that need nothing, or each the one before it
#                    (default: flat)
#   --build DIR      use the programs of this build folder (default build/release)
#   --only LIST      of davit, docker, podman (default: all)
#   --data-root DIR  where davit's data root is made (default: a new folder below /var/tmp)
# All run in one new network namespace, which docker's client reaches dockerd from by its socket;
# dockerd is used as it stands, or is one of its own:
#   tests/scenarios/with-docker.sh bench/stack50.sh
# Needs root and busybox-static. What is missing is said. The last lines are a table for docs/.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
    DAVIT_BENCH_INSIDE=1 exec unshare --mount --net "$0" "$@"
fi

runs=5 services="50 200" shapes=flat build=$top/build/release only="davit docker podman" parent=/var/tmp
while [ $# -gt 0 ]; do
    case "$1" in
        -n) runs=$2; shift ;;
        --services) services=$2; shift ;;
        --shapes) shapes=$2; shift ;;
        --build) build=$(cd "$2" && pwd); shift ;;
        --only) only=$2; shift ;;
        --data-root) parent=$2; shift ;;
        *) sed -n '2,12p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
has_davit() { case " $only " in *" davit "*) return 0 ;; esac; return 1; }
! has_davit || [ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }
# shellcheck source=bench/stack_common.sh
. "$top/bench/stack_common.sh"
for engine in $only; do
    if prepare "$engine"; then engines+=("$engine"); else echo "$engine: not installed, or doesn't work here"; fi
done

stacks=
for shape in $shapes; do
    case $shape in flat | chained) ;; *) echo "no shape is called '$shape': flat, chained" >&2; exit 64 ;; esac
    for count in $services; do stacks+=" $count-$shape"; done
done
cd "$work/project"
for stack in $stacks; do
    count=${stack%-*}
    {
        echo "services:"
        for i in $(seq "$count"); do
            needs=
            [ "$stack" = "$count-flat" ] || [ "$i" = 1 ] || needs=", depends_on: [s$((i - 1))]"
            echo "  s$i: {image: '$image', command: ['sleep', '100000'], stop_signal: SIGKILL$needs}"
        done
    } > compose.yaml
    for engine in "${engines[@]}"; do
        compose "$engine" up -d > /dev/null 2>&1 || { echo "$engine: up of $count services failed"; continue; }
        compose "$engine" down -t 0 > /dev/null 2>&1
        for _ in $(seq "$runs"); do
            measure "$work/$engine.$stack.up" compose "$engine" up -d
            measure "$work/$engine.$stack.again" compose "$engine" up -d
            measure "$work/$engine.$stack.ps" compose "$engine" ps
            measure "$work/$engine.$stack.down" compose "$engine" down -t 0
        done
    done
done

! has_davit || davit_version=$("$build/bin/davit" version --short)
echo "kernel $(uname -r | cut -d. -f1,2), $(nproc) cores, medians of $runs runs in ms${davit_version:+; davit $davit_version}"
echo "| services | engine | up -d | up -d again | ps | down |"
echo "|---|---|---|---|---|---|"
for stack in $stacks; do
    label=${stack%-flat}
    for engine in "${engines[@]}"; do
        files=$work/$engine.$stack
        echo "| ${label/-/ } | $engine | $(median "$files.up") | $(median "$files.again") | $(median "$files.ps") | $(median "$files.down") |"
    done
done
