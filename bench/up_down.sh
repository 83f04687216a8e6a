#!/usr/bin/env bash
# The time of `davit up -d` and `davit down` for a sample: least, median and most of N runs, in
# milliseconds. Runs in a network of its own, with a data root and run root of its own.
#   -n N             how many runs (default 10)
#   --build DIR      use the programs of this build folder (default build/release)
#   --sample NAME    folder of samples/ (default hello-nginx)
#   --data-root DIR  where the data root is made (default: a new folder below /var/tmp)
# Needs root and the images build/images/*.tar, which scripts/demo.sh and scripts/test.sh make.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
    DAVIT_BENCH_INSIDE=1 exec unshare --net --mount "$0" "$@"
fi

runs=10
build=$top/build/release
sample=hello-nginx
parent=/var/tmp
while [ $# -gt 0 ]; do
    case "$1" in
        -n) runs=$2; shift ;;
        --build) build=$2; shift ;;
        --sample) sample=$2; shift ;;
        --data-root) parent=$2; shift ;;
        *) sed -n '2,8p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }

work=$(mktemp -d "$parent/davit-bench.XXXXXX")
davit() { "$build/bin/davit" --data-root "$work/data" --progress quiet "$@"; }
export DAVIT_RUN_ROOT=$work/run
# A name of its own, so that a stack of the same sample that is up is left alone.
export COMPOSE_PROJECT_NAME=davit-bench-$$
finish() {
    davit down -v -t 0 >/dev/null 2>&1 || true
    rm -rf --one-file-system "$work"
}
cd "$top/samples/$sample"
trap finish EXIT
ip link set lo up
for image in "$top"/build/images/*.tar; do
    [ -f "$image" ] || { echo "there is no image in build/images: run scripts/demo.sh first" >&2; exit 1; }
    davit load -q -i "$image"
done

# Runs the command, and appends the microseconds it took to a file.
measure() {
    local file=$1 begin=${EPOCHREALTIME/./}
    shift
    "$@"
    echo $((${EPOCHREALTIME/./} - begin)) >> "$file"
}

davit up -d   # once unmeasured: the first run fills caches
davit down
for _ in $(seq "$runs"); do
    measure "$work/up" davit up -d
    measure "$work/down" davit down
done

report() {
    sort -n "$2" | awk -v name="$1" '{ t[NR] = $1 / 1000 } END {
        median = NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2
        printf "%-6s  least %7.1f  median %7.1f  most %7.1f ms  (%d runs)\n", name, t[1], median, t[NR], NR }'
}
echo "$sample, $("$build/bin/davit" version --short), kernel $(uname -r), $(nproc) cores"
report "up -d" "$work/up"
report "down" "$work/down"
