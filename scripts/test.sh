#!/usr/bin/env bash
# Installs the dependencies, builds, and runs every test. The last lines are ctest's own.
#   --no-install     the dependencies are there already
#   --preset NAME    unity (default: dev, several sources at once), dev, asan, tsan or release
#   what follows --  goes to ctest
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
install=yes
preset=unity
while [ $# -gt 0 ]; do
    case "$1" in
        --no-install) install=no ;;
        --preset) preset=$2; shift ;;
        --) shift; break ;;
        *) sed -n '2,5p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done

if [ "$install" = yes ]; then "$top/scripts/install-deps.sh"; fi
cd "$top"
cmake --preset "$preset"
cmake --build --preset "$preset"

# Images of real programs for the system tests. Without a package mirror those tests skip, or fail
# where DAVIT_TESTS_MUST_RUN is set.
for kind in nginx busybox hello-world; do
    image=build/images/$kind.tar
    [ "$image" -nt scripts/make-test-image.sh ] || scripts/make-test-image.sh "$kind" "$image" ||
        [ -f "$image" ] || echo "test: no image '$kind': its tests will be skipped" >&2
done

# What draws lots draws the same ones each time: a change passes or not, whatever the luck. Campaigns
# go further (docs/reliability.md).
export DAVIT_TEST_SEED=${DAVIT_TEST_SEED:-20261130}

# Tests keep out of each other's way, and mostly wait. More than four at once miss their deadlines.
jobs=$(nproc)
exec ctest --preset "$preset" --parallel "$((jobs < 4 ? jobs : 4))" "$@"
