#!/usr/bin/env bash
# What one meets all day, for a project of idle services: `exec`, `restart` of one service, `logs` of
# one, medians in milliseconds; the memory that supervises the project, and the disk that an image
# takes. Beside docker compose where there is a dockerd:
#   tests/scenarios/with-docker.sh bench/commands.sh
#   -n N             how many rounds (default 15)
#   --services N     of how many services (default 20)
#   --build DIR      use the programs of this build folder (default build/release)
#   --data-root DIR  where davit's data root is made (default: a new folder below /var/tmp)
# Runs in namespaces of its own. Needs root, busybox-static and build/images/nginx.tar.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
# Those of with-docker.sh will do, and have dockerd in them.
if [ -z "${DAVIT_BENCH_INSIDE:-}${WITH_DOCKER_INSIDE:-}" ]; then
    DAVIT_BENCH_INSIDE=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc "$0" "$@"
fi

rounds=15 services=20 build=$top/build/release parent=/var/tmp
while [ $# -gt 0 ]; do
    case "$1" in
        -n) rounds=$2; shift ;;
        --services) services=$2; shift ;;
        --build) build=$(cd "$2" && pwd); shift ;;
        --data-root) parent=$2; shift ;;
        *) sed -n '2,11p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
archive=$top/build/images/nginx.tar
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }
[ -f "$archive" ] || { echo "there is no $archive: scripts/make-test-image.sh nginx $archive makes it" >&2; exit 1; }
# shellcheck source=bench/stack_common.sh
. "$top/bench/stack_common.sh"
engines=(davit)
if [ -n "${WITH_DOCKER_INSIDE:-}" ]; then engines+=(docker); else echo "docker: not measured, see tests/scenarios/with-docker.sh"; fi

# What the folders of an engine take, in KiB.
disk_of() {
    case $1 in
        davit) mkdir -p "$work/data" && du -sk "$work/data" | cut -f1 ;;
        docker) du -sk "$WITH_DOCKER_INSIDE/data" | cut -f1 ;;
    esac
}

# The private memory of all processes of these names in KiB, and how many there are.
private_of() {
    local name pid
    for name in "$@"; do
        for pid in $(pgrep -x "$name" || true); do
            awk '/^Private_(Clean|Dirty)/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/smaps_rollup" 2> /dev/null || true
        done
    done | awk '{ sum += $1 } END { print sum + 0, NR }'
}
memory_of() {
    case $1 in
        davit) private_of davit-runtime ;;
        docker) private_of dockerd containerd docker-proxy containerd-shim ;;  # names have 15 characters
    esac
}

cd "$work/project"
{
    echo "services:"
    for i in $(seq "$services"); do
        echo "  s$i: {image: '$image', command: ['sleep', '100000'], stop_signal: SIGKILL}"
    done
} > compose.yaml

rows=()
for engine in "${engines[@]}"; do
    before=$(disk_of "$engine")
    case $engine in
        davit) "$build/bin/davit" load -q -i "$archive" > /dev/null ;;
        docker) docker load -q -i "$archive" > /dev/null ;;
    esac
    after=$(disk_of "$engine")
    prepare "$engine"
    compose "$engine" up -d > /dev/null 2>&1
    compose "$engine" exec -T s1 true
    for _ in $(seq "$rounds"); do
        measure "$work/$engine.exec" compose "$engine" exec -T s1 true
        measure "$work/$engine.restart" compose "$engine" restart -t 0 s1
        measure "$work/$engine.logs" compose "$engine" logs s1
    done
    read -r memory processes < <(memory_of "$engine")
    compose "$engine" down -t 0 > /dev/null 2>&1
    rows+=("| $engine | $(median "$work/$engine.exec") | $(median "$work/$engine.restart") | $(median "$work/$engine.logs") | $((memory / 1024)) MB in $processes processes | $((memory / services)) KiB | $(((after - before) / 1024)) MB |")
done
echo "kernel $(uname -r | cut -d. -f1,2), $(nproc) cores, medians of $rounds rounds in ms, $services services"
echo "| engine | exec | restart | logs | supervision of the project | for each container | disk for a $(($(stat -c %s "$archive") / 1048576)) MB image |"
echo "|---|---|---|---|---|---|---|"
printf '%s\n' "${rows[@]}"
