#!/usr/bin/env bash
# Formats the tree with clang-format 14; --check only says whether it is formatted.
# Exits with 77 where there is no clang-format 14: another version formats differently.
set -euo pipefail
cd "$(dirname "$0")/.."
formatter=$(command -v clang-format-14 || command -v clang-format || true)
version=$([ -z "$formatter" ] || "$formatter" --version)
case "$version" in
    *"version 14."*) ;;
    *)
        echo "format: clang-format 14 is needed${version:+, and this is $version}: scripts/install-deps.sh --dev" >&2
        exit 77
        ;;
esac
mapfile -t files < <(find base builder cli compose image network runtime stack tests fuzz -name '*.cpp' -o -name '*.h')
if [ "${1:-}" = --check ]; then
    "$formatter" --dry-run -Werror "${files[@]}"
else
    "$formatter" -i "${files[@]}"
fi
