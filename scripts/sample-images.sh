#!/usr/bin/env bash
# Makes the images that samples/ ask for out of Debian packages, and loads them into davit's store under
# the names in the samples' files. For hosts without a registry: with one, `davit up` pulls them.
#
#   sample-images.sh [--no-load | --no-make] [KIND...]
#
# A KIND is one of make-test-image.sh, all of them without. The archives are kept in build/images, and made
# again only where the recipe is newer. --no-load makes archives only; --no-make loads what is there. The
# versions are those of Debian 12, whatever release the packages come from. DAVIT names the program,
# DAVIT_DATA_ROOT its store.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
images=$top/build/images
davit=${DAVIT:-davit}
make=yes
load=yes
kinds=()
for word in "$@"; do
    case "$word" in
        --no-make) make=no ;;
        --no-load) load=no ;;
        -*) sed -n '2,11p' "$0" | cut -c3- >&2; exit 64 ;;
        *) kinds+=("$word") ;;
    esac
done
if [ ${#kinds[@]} -eq 0 ]; then
    kinds=(nginx busybox python redis postgres mariadb wordpress prometheus node-exporter)
fi

# The names in the samples' files that image KIND stands for.
names_of() {
    case "$1" in
        nginx) echo nginx:1.22 nginx:1.21.3 ;;
        busybox) echo busybox:1.35 ;;
        python) echo python:3.11 ;;
        redis) echo redis:7 ;;
        postgres) echo postgres:15 ;;
        mariadb) echo mariadb:10.11 ;;
        wordpress) echo wordpress:6.1 ;;
        prometheus) echo prom/prometheus:v2.42.0 ;;
        node-exporter) echo prom/node-exporter:v1.5.0 ;;
        *) echo "sample-images: no sample uses an image of kind '$1'" >&2; return 1 ;;
    esac
}

# fresh KIND: its archive is newer than all that it is made of here.
fresh() {
    local source
    for source in "$top"/scripts/make-test-image.sh "$top"/scripts/images/*"$1"*; do
        if [ -e "$source" ] && [ ! "$images/$1.tar" -nt "$source" ]; then return 1; fi
    done
}

# make_archive KIND: an older one will do where there is no mirror.
make_archive() {
    fresh "$1" || "$top/scripts/make-test-image.sh" "$1" "$images/$1.tar" ||
        [ -f "$images/$1.tar" ] || { echo "sample-images: no image '$1'" >&2; return 1; }
}

# load_archive KIND: `load` prints "Loaded image: NAME", the archive's own name.
load_archive() {
    local loaded name
    loaded=$("$davit" load -i "$images/$1.tar")
    loaded=${loaded#Loaded image: }
    for name in $2; do
        [ "$name" = "$loaded" ] || "$davit" tag "$loaded" "$name"
        echo "$name"
    done
}

for kind in "${kinds[@]}"; do
    names=$(names_of "$kind")
    if [ "$make" = yes ]; then make_archive "$kind"; fi
    if [ "$load" = yes ]; then load_archive "$kind" "$names"; fi
done
