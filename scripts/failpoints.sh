#!/bin/sh
# The names of all failpoints of a debug build (base/failpoint.h), one a line.
cd "$(dirname "$0")/.." || exit 1
grep -rhoE '(FAILPOINT|failpoint::(hit|reach))\("[^"]+"\)' --include='*.cpp' \
    base builder compose image network runtime stack cli | sed 's/.*("//; s/")//' | sort
