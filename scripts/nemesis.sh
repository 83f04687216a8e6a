#!/usr/bin/env bash
# Random commands and faults for as long as is wished: scripts/nemesis.sh [--minutes N] [--seed S]
# [--sweep]. With --sweep every failpoint with every fault instead, in random order (base/failpoint.h).
# Needs root and a debug build: build/dev or build/unity, whichever is newer, or $BUILD.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=30 seed='' filter='nothing that random*' variable=DAVIT_NEMESIS_SECONDS
while [ $# -gt 0 ]; do
    case "$1" in
        --minutes) minutes=$2; shift 2 ;;
        --seed) seed=$2; shift 2 ;;
        --sweep) filter='whatever fails*' variable=DAVIT_CAMPAIGN_SECONDS; shift ;;
        *) echo "usage: scripts/nemesis.sh [--minutes N] [--seed S] [--sweep]" >&2; exit 2 ;;
    esac
done
[ -z "$seed" ] || export DAVIT_TEST_SEED="$seed"
export "$variable=$((minutes * 60))"
build=${BUILD:-$(scripts/newest-build.sh)}
exec "$build/tests/system/test_system" -tc="$filter" --no-intro
