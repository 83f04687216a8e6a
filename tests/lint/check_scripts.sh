#!/usr/bin/env bash
# Every shell script parses; shellcheck, where it is installed, finds nothing.
set -u
cd "${1:-.}" || exit 1
mapfile -t scripts < <(find scripts tests bench packaging samples .ci -type f \( -name '*.sh' -o -path .ci/run \))
[ "${#scripts[@]}" -gt 0 ] || { echo "no scripts found"; exit 1; }
failed=0
for script in "${scripts[@]}"; do
    bash -n "$script" || failed=1
    [ -x "$script" ] || { echo "$script: error: not executable"; failed=1; }
done
if command -v shellcheck >/dev/null; then
    shellcheck -S warning "${scripts[@]}" || failed=1
fi
[ "$failed" -eq 0 ] && echo "scripts: ok"
exit "$failed"
