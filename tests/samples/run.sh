#!/usr/bin/env bash
# run.sh SOURCE BUILD SAMPLE: uses samples/SAMPLE as its user would, by the words of SAMPLE.test beside this
# file: in network and mount namespaces of its own, in a copy of the sample, with a store that has its images.
#
# A test says in its first line which images of scripts/sample-images.sh it needs. Where an archive is missing
# it is skipped, in CI as well: making all of them takes longer than CI has.
set -euo pipefail
source_dir=$1
build_dir=$2
sample=$3
test=$(cd "$(dirname "$0")" && pwd)/$sample.test
read -r -a kinds < <(sed -n '1s/^# images: //p' "$test")

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "$sample: $*" >&2; exit 1; }

if [ -z "${DAVIT_SAMPLE_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || skip "containers need root"
    for kind in "${kinds[@]}"; do
        [ -f "$source_dir/build/images/$kind.tar" ] ||
            skip "no image of $kind: scripts/sample-images.sh --no-load $kind"
    done
    DAVIT_SAMPLE_INSIDE=1 exec unshare --net --mount "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/davit-sample.XXXXXX")
export DAVIT_RUN_ROOT=$work/run DAVIT_DATA_ROOT=$work/data DAVIT=$build_dir/bin/davit
davit() { "$DAVIT" "$@"; }
clean_up() {
    status=$?
    if [ "$status" -ne 0 ]; then davit ps -a || true; davit logs --tail 20 || true; fi
    davit --profile '*' down -v -t 1 >/dev/null 2>&1 || true
    cd /
    for project in $(davit ls -a -q); do davit -p "$project" down -v -t 1 || true; done
    rm -rf --one-file-system "$work"
}
cp -a "$source_dir/samples/$sample" "$work/$sample"
cd "$work/$sample"
trap clean_up EXIT
ip link set lo up
"$source_dir/scripts/sample-images.sh" --no-make "${kinds[@]}"

# eventually TEXT COMMAND...: the command's output has TEXT within two minutes.
eventually() {
    local words=$1 answer=
    shift
    for _ in $(seq 600); do
        answer=$("$@" 2>&1) || true
        case "$answer" in *"$words"*) echo "ok: $*: $words"; return ;; esac
        sleep 0.2
    done
    fail "$*: '$words' is not in: $answer"
}

# expect TEXT COMMAND...: the command succeeds, and its output is TEXT.
expect() {
    local words=$1 answer
    shift
    answer=$("$@") || fail "$* ended with $?: $answer"
    [ "$answer" = "$words" ] || fail "$*: '$answer' instead of '$words'"
    echo "ok: $*: $words"
}

# refuse COMMAND...: the command fails.
refuse() {
    if "$@" >/dev/null 2>&1; then fail "$* should have failed"; fi
    echo "ok: refused: $*"
}

# get URL [FLAG...]: its body, from this host.
get() { curl -sS --fail --noproxy '*' --max-time 10 "$@"; }

# shellcheck source=/dev/null
. "$test"

davit --profile '*' down -v -t 1
[ -z "$(davit ps -a -q)" ] || fail "containers are left"
[ -z "$(ip -o link show type bridge)" ] || fail "a bridge is left"
echo "$sample: ok"
