#!/usr/bin/env bash
# Runs the validation programs of opencontainers/runtime-tools against a runtime, and prints a table.
#   scripts/oci-validate.sh FOLDER [RUNTIME]
# FOLDER is a checkout of runtime-tools with its programs built ('make runtimetest
# validation-executables'); RUNTIME is davit-runtime of the build tree unless it is given.
# Everything runs in a mount and a pid namespace of its own: some of the programs leave mounts and
# containers behind.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?usage: scripts/oci-validate.sh FOLDER [RUNTIME]}
runtime=${2:-}
[ -n "$runtime" ] || { build=$(scripts/newest-build.sh); runtime=$build/bin/davit-runtime; }
runtime=$(readlink -f "$runtime")
folder=$(readlink -f "$folder")
[ -x "$folder/runtimetest" ] || { echo "oci-validate: '$folder/runtimetest' is not built" >&2; exit 1; }

if [ -z "${DAVIT_VALIDATE_INSIDE:-}" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    DAVIT_VALIDATE_INSIDE=$scratch unshare -m -p -f --mount-proc --kill-child \
        "$PWD/scripts/oci-validate.sh" "$folder" "$runtime"
    exit
fi

export RUNTIME=$runtime TMPDIR=$DAVIT_VALIDATE_INSIDE
cd "$folder"
printf '| program | passed | failed | skipped |\n|---|---|---|---|\n'
for program in validation/*/*.t; do
    name=$(basename "$program" .t)
    log=$DAVIT_VALIDATE_INSIDE/$name.log
    status=0
    timeout --kill-after=5 90 "$program" >"$log" 2>&1 || status=$?
    skipped=$(grep -c '^ok .*# SKIP' "$log" || true)
    passed=$(($(grep -c '^ok ' "$log" || true) - skipped))
    failed=$(grep -c '^not ok ' "$log" || true)
    if [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$skipped" -eq 0 ]; then
        failed="no result (exit $status)"
    fi
    printf '| %s | %s | %s | %s |\n' "$name" "$passed" "$failed" "$skipped"
    if [ -n "${DAVIT_VALIDATE_LOGS:-}" ]; then cp "$log" "$DAVIT_VALIDATE_LOGS/"; fi
done
