#!/usr/bin/env bash
# Prints the build folder for who needs a debug build: build/dev or build/unity, the newer one.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
newest=
for folder in "$top/build/dev" "$top/build/unity"; do
    [ -x "$folder/bin/davit" ] || continue
    if [ -z "$newest" ] || [ "$folder/bin/davit" -nt "$newest/bin/davit" ]; then newest=$folder; fi
done
if [ -z "$newest" ]; then
    echo "there is no debug build: cmake --preset dev && cmake --build --preset dev" >&2
    exit 1
fi
echo "$newest"
