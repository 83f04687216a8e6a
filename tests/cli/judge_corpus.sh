#!/usr/bin/env bash
# Compares `davit config` with the answers of Docker Compose for the projects below DAVIT_CORPUS, by
# the judge.py that lies there; at least 98 of 100 must be the same. Skipped where there is none.
#   judge_corpus.sh PATH_OF_DAVIT
set -euo pipefail

if [ -z "${DAVIT_CORPUS:-}" ] || [ ! -f "$DAVIT_CORPUS/judge.py" ]; then
    echo "skipped: DAVIT_CORPUS names no folder with a judge.py"
    exit 77
fi
report=$(python3 "$DAVIT_CORPUS/judge.py" --davit "$1" --list) || true
printf '%s\n' "$report"
score=$(awk '$1 == "total" { print $5 }' <<< "$report")
awk -v score="${score:-0}" 'BEGIN { exit score >= 98 ? 0 : 1 }'
