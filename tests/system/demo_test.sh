#!/usr/bin/env bash
# demo_test.sh SOURCE BUILD: scripts/demo.sh in network and mount namespaces of its own, then `down`.
set -euo pipefail
source_dir=$1
build_dir=$2
if [ -z "${DAVIT_DEMO_INSIDE:-}" ]; then
    missing=
    [ "$(id -u)" -eq 0 ] || missing="root"
    [ -f "$source_dir/build/images/nginx.tar" ] || missing="the image of nginx (no package mirror)"
    if [ -n "$missing" ]; then
        echo "skipped: the demo needs $missing"
        [ -z "${DAVIT_TESTS_MUST_RUN:-}" ] || exit 1
        exit 77
    fi
    DAVIT_DEMO_INSIDE=1 exec unshare --net --mount "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/davit-demo.XXXXXX")
export DAVIT_RUN_ROOT=$work/run
davit() { "$build_dir/bin/davit" --data-root "$work/data" "$@"; }
clean_up() {
    (cd "$source_dir/samples/hello-nginx" && davit down -v -t 1) || true
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
ip link set lo up
"$source_dir/scripts/demo.sh" --no-install --build "$build_dir" --data-root "$work/data"
(cd "$source_dir/samples/hello-nginx" && davit down -v)
[ ! -e "$work/run" ] || { echo "the run root is left: $(find "$work/run")"; exit 1; }
[ -z "$(ip -o link show type bridge)" ] || { echo "a bridge is left"; exit 1; }
[ -z "$(nft list ruleset)" ] || { echo "rules are left"; exit 1; }
echo "demo: ok, and nothing is left"
