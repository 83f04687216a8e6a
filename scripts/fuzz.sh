#!/usr/bin/env bash
# Fuzzes the loaders of Compose files and Dockerfiles, and the name server's packets: fuzz.sh [SECONDS [TARGET...]], 60 seconds for each target of fuzz/.
# What it learns stays in build/fuzz/corpus/, inputs that break something go to
# build/fuzz/artifacts/. Where DAVIT_CORPUS is a folder, its YAML files are seeds too.
# Exits with 1 where something broke.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
case "$seconds" in
    '' | *[!0-9]*) sed -n '2,5p' "$0" | cut -c3- >&2; exit 64 ;;
esac
shift $(($# > 0 ? 1 : 0))
targets=("$@")
[ $# -gt 0 ] || targets=(yaml project interpolate dotenv ports volumes durations sizes dockerfile dockerignore dns)

cmake --preset fuzz
cmake --build --preset fuzz ${DAVIT_JOBS:+-j "$DAVIT_JOBS"}

work=build/fuzz
mkdir -p "$work/artifacts"
extra=()
if [ -n "${DAVIT_CORPUS:-}" ]; then
    rm -rf "$work/extra"
    mkdir -p "$work/extra"
    while IFS= read -r -d '' file; do
        cp "$file" "$work/extra/$(sha1sum "$file" | cut -c1-40)"
    done < <(find "$DAVIT_CORPUS" -type f \( -name '*.yaml' -o -name '*.yml' \) -print0)
    extra=("$work/extra")
fi

# Freed memory that the sanitizer holds back must not count as the loader's.
export ASAN_OPTIONS=quarantine_size_mb=32
failed=0
for target in "${targets[@]}"; do
    mkdir -p "$work/corpus/$target"
    folders=("$work/corpus/$target" "fuzz/seeds/$target")
    case "$target" in yaml | project) folders+=("${extra[@]}") ;; esac
    log=$work/$target.log
    if "$work/fuzz/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=5 \
        -max_len=16384 -print_final_stats=1 -print_funcs=0 \
        -artifact_prefix="$work/artifacts/$target-" "${folders[@]}" </dev/null >"$log" 2>&1; then
        echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    else
        failed=1
        echo "fuzz: $target broke, $log ends with:" >&2
        tail -n 40 "$log" >&2
    fi
done
[ "$failed" -eq 0 ] || echo "fuzz: something broke, see $work/artifacts/" >&2
exit "$failed"
