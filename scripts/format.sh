#!/usr/bin/env bash
# Formats the tree with clang-format 14; --check only says whether it is formatted.
set -euo pipefail
cd "$(dirname "$0")/.."
formatter=$(command -v clang-format-14 || command -v clang-format)
case "$("$formatter" --version)" in
    *"version 14."*) ;;
    *) echo "format: clang-format 14 is needed, and this is $("$formatter" --version)" >&2; exit 77 ;;
esac
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.cpp' '*.h')
if [ "${1:-}" = --check ]; then
    "$formatter" --dry-run -Werror "${files[@]}"
else
    "$formatter" -i "${files[@]}"
fi
