#!/usr/bin/env bash
# What the shells themselves say of davit's completions and manual pages: $1 is davit.
set -euo pipefail

davit=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$(dirname "$davit"):$PATH
printf 'name: shop\nservices:\n  web: {image: a}\n  worker: {image: b}\n' > "$work/compose.yaml"
cd "$work"
status=0
fail() { echo "$*"; status=1; }

# complete WORD...: what bash offers for the last one.
"$davit" completion bash > completion.bash
complete_line() {
    bash --norc -c '
        source ./completion.bash
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _davit
        echo "${COMPREPLY[*]}"' bash "$@"
}
expect() {
    local wanted=$1 got
    shift
    got=$(complete_line "$@")
    [ "$got" = "$wanted" ] || fail "bash: '$*': '$got', not '$wanted'"
}
expect 'restart' davit rest
expect '--force-recreate' davit up --force
expect 'web worker' davit up -d ''
expect 'worker' davit -f compose.yaml logs wo
expect 'web' davit -f "$work/compose.yaml" exec we
expect 'inspect' davit volume ins
expect '--dry-run' davit volume prune --dr
expect 'plain' davit --progress pl
expect 'never' davit up --pull n
expect 'compose.yaml' davit -f compose.y

if command -v zsh > /dev/null; then
    "$davit" completion zsh > _davit
    zsh -n _davit || fail 'zsh: the script has mistakes'
else
    echo 'zsh is not installed: not looked at'
fi
if command -v fish > /dev/null; then
    "$davit" completion fish > davit.fish
    got=$(fish --no-config -c "source davit.fish; complete -C 'davit resta'" | cut -f1)
    [ "$got" = restart ] || fail "fish: 'davit resta': '$got'"
    got=$(fish --no-config -c "source davit.fish; complete -C 'davit up --force'" | cut -f1)
    [ "$got" = --force-recreate ] || fail "fish: 'davit up --force': '$got'"
    got=$(fish --no-config -c "source davit.fish; complete -C 'davit stop '" | cut -f1 | grep -c '^w')
    [ "$got" = 2 ] || fail "fish: services: '$got'"
else
    echo 'fish is not installed: not looked at'
fi

"$davit" manual "$work/man"
[ -s "$work/man/davit-up.1" ] || fail 'no page of up'
if command -v man > /dev/null; then
    for page in "$work"/man/*.1; do
        said=$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l "$page" 2>&1 > "$work/text")
        [ -z "$said" ] || fail "$(basename "$page"): $said"
    done
    grep -q -- '--force-recreate' <(LC_ALL=C.UTF-8 man -l "$work/man/davit-up.1") || fail 'man: no --force-recreate'
fi
exit $status
