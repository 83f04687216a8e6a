#!/usr/bin/env bash
# The README's two commands on a bare Debian: makes a minimal root file system with mmdebstrap, copies
# the checkout in, and runs scripts/demo.sh and scripts/test.sh inside, in namespaces of their own. Says
# how long each took. Needs root, mmdebstrap, and a package mirror: the one that this machine's apt
# uses, with apt's settings; for trixie DEBIAN_MIRROR.
#   --suite NAME  bookworm (Debian 12, default) or trixie (Debian 13)
#   --keep        leave the root file system, and say where it is
#   --again ROOT  go on in one that was left, with the checkout of now
#   --demo-only   not the tests
#   --deps-only   neither: only see that the dependencies install
# The root is entered with pivot_root, not chroot: in a chroot no user namespace can be made.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
keep=no again=
stages="demo test"
suite=bookworm
while [ $# -gt 0 ]; do
    case "$1" in
        --suite) suite=${2:?a name is missing}; shift ;;
        --keep) keep=yes ;;
        --again) again=$(cd "${2:?a folder is missing}" && pwd) keep=yes; shift ;;
        --demo-only) stages=demo ;;
        --deps-only) stages= ;;
        *) sed -n '2,11p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "install mmdebstrap first" >&2; exit 1; }

if [ -n "$again" ]; then work=$(dirname "$again"); else work=$(mktemp -d "${TMPDIR:-/var/tmp}/davit-fresh.XXXXXX"); fi
root=$work/root
# What runs inside lives in cgroups of its own, and takes them for the top of the tree.
cgroup=davit-fresh-$$
# TYPE FOLDER OPTIONS of each cgroup hierarchy of this machine.
awk '$3 ~ /^cgroup2?$/ { print $3, $2, $4 }' /proc/self/mounts > "$work/hierarchies"

finish() {
    local folder
    while read -r _ folder _; do
        for _ in $(seq 50); do  # the last processes of a stage may still be on their way out
            [ -d "$folder/$cgroup" ] || break
            find "$folder/$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done
    done < "$work/hierarchies"
    if [ "$keep" = yes ]; then echo "the root file system is $root"; else rm -rf --one-file-system "$work"; fi
}
trap finish EXIT

timed() {
    local name=$1 begin=$SECONDS
    shift
    printf '\n==== %s\n' "$name"
    "$@"
    times+="$(printf '%6s s  %s' "$((SECONDS - begin))" "$name")"$'\n'
}
times=

make_root() {
    local sources=() file
    if [ "$suite" = bookworm ]; then
        for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
            if [ -s "$file" ]; then sources+=("$file"); fi
        done
    else
        sources=("deb ${DEBIAN_MIRROR:-http://deb.debian.org/debian} $suite main")
    fi
    # How apt fetches: proxies, mirrors' certificates, date checks. Not its hooks.
    apt-config dump | grep '^Acquire::' > "$work/apt.conf" || true
    mmdebstrap --quiet --variant=minbase --include=ca-certificates --aptopt="$work/apt.conf" \
        "$suite" "$root" "${sources[@]}"
    for file in /etc/apt/keyrings /etc/apt/trusted.gpg.d /etc/apt/auth.conf.d; do
        if [ -d "$file" ]; then mkdir -p "$root$file" && cp -a "$file/." "$root$file/"; fi
    done
    if [ -d /usr/local/share/ca-certificates ]; then
        cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
        chroot "$root" update-ca-certificates >/dev/null
    fi
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

copy_checkout() {
    mkdir -p "$root/davit"
    (cd "$top" && git ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- -cf - --ignore-failed-read) | tar -C "$root/davit" -xf -
}

# Puts this process into cgroups named $cgroup.
enter_cgroups() {
    local folder name
    while read -r _ folder _; do
        mkdir -p "$folder/$cgroup"
        for name in cpuset.cpus cpuset.mems; do  # empty in a new v1 cpuset, which then takes nobody
            if [ -f "$folder/$cgroup/$name" ] && [ -f "$folder/$name" ]; then
                cat "$folder/$name" > "$folder/$cgroup/$name"
            fi
        done
        echo "$BASHPID" > "$folder/$cgroup/cgroup.procs"
    done < "$work/hierarchies"
}

# Runs in the new namespaces, in this machine's file system: makes $root the root, with /proc, /sys,
# /dev and the cgroups that a machine has, and then runs the command there.
# shellcheck disable=SC2016  # expanded inside
inner='
set -euo pipefail
root=$1 net=$2 hierarchies=$3
shift 3
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty fuse net/tun; do
    [ -e "/dev/$node" ] || continue
    mkdir -p "dev/$(dirname "$node")"
    : > "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for i in 0/stdin 1/stdout 2/stderr; do ln -s "/proc/self/fd/${i%/*}" "dev/${i#*/}"; done
if ! grep -q "^cgroup2 /sys/fs/cgroup " "$hierarchies"; then mount -t tmpfs tmpfs sys/fs/cgroup; fi
while read -r type folder options; do
    mkdir -p ".$folder"
    options=$(tr , "\n" <<< "$options" |
        sed -E "/^(rw|ro|nosuid|nodev|noexec|relatime|clone_children|release_agent=.*)$/d" | paste -sd ,)
    mount -t "$type" ${options:+-o "$options"} "$type" ".$folder"
    # Processes may not stand beside controllers, but at the top of the real tree.
    if [ "$type" = cgroup2 ] && [ -n "$(cat ".$folder/cgroup.controllers")" ]; then
        mkdir -p ".$folder/init"
        echo $$ > ".$folder/init/cgroup.procs"
    fi
done < "$hierarchies"
mkdir -p .machine
pivot_root . .machine
umount -l /.machine
cd /davit
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$net" = own ]; then ip link set lo up; fi
exec "$@"'

# inside NET COMMAND...: runs a command in the root, in this machine's network (NET=host: apt must
# reach its mirror) or in one with nothing but a loopback device (NET=own).
inside() {
    local net=$1 flags=(--mount --pid --ipc --uts --cgroup --fork --kill-child)
    shift
    if [ "$net" = own ]; then flags+=(--net); fi
    (
        enter_cgroups
        exec unshare "${flags[@]}" bash -c "$inner" inside "$root" "$net" "$work/hierarchies" "$@"
    )
}

if [ -z "$again" ]; then timed "mmdebstrap" make_root; fi
copy_checkout
timed "scripts/install-deps.sh" inside host scripts/install-deps.sh
# What comes from the mirror is fetched before the network is taken away.
# shellcheck disable=SC2016  # expanded inside
timed "images from packages" inside host bash -c \
    'for kind in nginx busybox hello-world; do scripts/make-test-image.sh $kind build/images/$kind.tar; done'
case " $stages " in *" demo "*) timed "scripts/demo.sh" inside own scripts/demo.sh ;; esac
case " $stages " in *" test "*)
    timed "scripts/test.sh" inside own env DAVIT_TESTS_MUST_RUN=1 scripts/test.sh ;;
esac
printf '\nIn a bare root of %s, on %s cores:\n%s' "$suite" "$(nproc)" "$times"
