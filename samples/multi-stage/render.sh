#!/bin/sh
# render.sh TITLE FROM TO: a page for each text in FROM, whose lines become items of a list.
set -eu
mkdir -p "$3"
for text in "$2"/*.txt; do
    page=$(basename "$text" .txt)
    {
        echo "<!doctype html><title>$1</title><h1>$page</h1><ul>"
        sed 's|.*|<li>&</li>|' "$text"
        echo "</ul>"
    } > "$3/$page.html"
done
