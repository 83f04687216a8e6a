#!/usr/bin/env bash
# The README's two commands on a bare Debian 12: makes a minimal root file system with mmdebstrap,
# copies the checkout in, and runs scripts/demo.sh and scripts/test.sh inside, in namespaces of their
# own. Says how long each took. Needs root, mmdebstrap, and a package mirror.
#   --keep        leave the root file system, and say where it is
#   --demo-only   not the tests
# The root is entered with pivot_root, not chroot: in a chroot no user namespace can be made.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
keep=no
tests=yes
for arg in "$@"; do
    case "$arg" in
        --keep) keep=yes ;;
        --demo-only) tests=no ;;
        *) sed -n '2,7p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
done
[ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/davit-fresh.XXXXXX")
root=$work/root
finish() {
    if [ "$keep" = yes ]; then echo "the root file system is $root"; else rm -rf --one-file-system "$work"; fi
}
trap finish EXIT

timed() {
    local name=$1 begin=$SECONDS
    shift
    "$@"
    echo "fresh root: $name took $((SECONDS - begin)) s"
}

make_root() {
    mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$root"
    # The mirror of this machine, taken over as it is.
    cp -a /etc/apt/sources.list.d/. "$root/etc/apt/sources.list.d/" 2>/dev/null || true
    cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
    if [ -d "$root/etc/apt/sources.list.d" ] && ls "$root"/etc/apt/sources.list.d/*.sources >/dev/null 2>&1; then
        rm -f "$root/etc/apt/sources.list"
    fi
    rm -f "$root"/etc/apt/apt.conf.d/docker-*
    mkdir -p "$root/davit"
    (cd "$top" && git ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- -cf - --ignore-failed-read) | tar -C "$root/davit" -xf -
}

# inside NET COMMAND...: runs a command in the root, in the host's network (NET=host) or in one with
# nothing but a loopback device (NET=own).
inside() {
    local net=$1 flags=(--mount --pid --ipc --uts --fork --kill-child)
    shift
    if [ "$net" = own ]; then flags+=(--net); fi
    unshare "${flags[@]}" bash -c '
        set -euo pipefail
        root=$1 net=$2
        shift 2
        mount --make-rprivate /
        mount --bind "$root" "$root"
        cd "$root"
        mount -t proc proc proc
        mount --rbind /sys sys
        mount --rbind /dev dev
        mkdir -p .host
        pivot_root . .host
        umount -l /.host
        cd /davit
        export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
        if [ "$net" = own ]; then ip link set lo up; fi
        exec "$@"' inside "$root" "$net" "$@"
}

timed "mmdebstrap" make_root
timed "scripts/install-deps.sh" inside host scripts/install-deps.sh
# What comes from the mirror is fetched before the network is taken away.
timed "images from packages" inside host bash -c \
    'for kind in nginx busybox hello-world; do scripts/make-test-image.sh $kind build/images/$kind.tar; done'
timed "scripts/demo.sh" inside own scripts/demo.sh
if [ "$tests" = yes ]; then
    timed "scripts/test.sh" inside own env DAVIT_TESTS_MUST_RUN=1 scripts/test.sh
fi
