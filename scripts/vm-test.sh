#!/usr/bin/env bash
# The tests in a virtual machine with systemd and cgroup v2 alone: makes a Debian root file system
# with mmdebstrap, puts the programs and tests of a build beside it, boots it with qemu (by software
# emulation where there is no /dev/kvm), runs the tests there case by case, and copies what they
# said out every minute. What has a result is not run again: an interrupted run goes on where it
# was. Needs root, mmdebstrap, qemu-system-x86, mke2fs, and a package mirror: this machine's.
#   --build DIR     the build tree (default build/dev or build/unity, the newer one)
#   --suite NAME    bookworm (default) or trixie
#   --filter LIST   only cases of these names (as doctest's --test-case has them)
#   --tests LIST    the test programs (default: "test_system test_runtime test_network")
#   --results DIR   where the results are, and go on (default: build/vm)
#   --machine DIR   where the machine's disk is, and is made if it is not (default: build/vm-SUITE)
#   --again VERDICT also run cases anew that had: failed, timeout, skipped
#   --time MINUTES  end the machine after so long (default 60)
#   --case SECONDS  end a case after so long, by the machine's clock (default 120)
#   --no-reboot     leave out the reboot and the power cut of the machine
#   --readme ROOT   instead of a build's tests the README's two commands, in a machine with bare Debian.
#                   ROOT is what scripts/fresh-root-test.sh --keep has left, of the same suite: the
#                   packages are taken from there, since this machine has no network, and what ccache
#                   has kept, since compilers take hours under emulation
# Prints for each program how many cases passed, failed and were skipped, and which; of the README's
# commands what they printed last.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build='' suite=bookworm filter='*' minutes=60 results=$top/build/vm machine='' again=none
tests="test_system test_runtime test_network" case_seconds=120 reboot=yes readme=
while [ $# -gt 0 ]; do
    case "$1" in
        --build) build=$(cd "$2" && pwd) ;;
        --suite) suite=$2 ;;
        --filter) filter=$2 ;;
        --tests) tests=$2 ;;
        --results) results=$2 ;;
        --machine) machine=$2 ;;
        --again) again=$2 ;;
        --time) minutes=$2 ;;
        --case) case_seconds=$2 ;;
        --no-reboot) reboot=no; shift; continue ;;
        --readme) readme=$(cd "$2" && pwd) build=/davit/build/release tests= ;;
        *) sed -n '2,23p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift 2
done
if [ -z "$readme" ]; then build=${build:-$("$top/scripts/newest-build.sh")}; fi
machine=${machine:-$top/build/vm-$suite${readme:+-bare}}
[ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
for tool in mmdebstrap qemu-system-x86_64 mke2fs; do
    command -v "$tool" >/dev/null || { echo "install $tool first" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/var/tmp}/davit-vm.XXXXXX")
helpers=()
trap 'kill "${helpers[@]}" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
mkdir -p "$results"

# --- the machine's disk: Debian, and a service that runs the tests ---

make_machine() {
    local root=$work/root sources=() file needed packages=ca-certificates
    if [ "$suite" != bookworm ]; then
        sources=("deb ${DEBIAN_MIRROR:-http://deb.debian.org/debian} $suite main")
    else
        for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
            if [ -s "$file" ]; then sources+=("$file"); fi
        done
    fi
    # What makes a machine of it, what davit needs to run, and what its tests use.
    packages+=,systemd-sysv,udev,dbus,linux-image-amd64,kmod
    if [ -z "$readme" ]; then
        mapfile -t needed < <("$top/scripts/install-deps.sh" --list-runtime)
        packages+=$(printf ',%s' "${needed[@]}")
        packages+=,apparmor,nftables,curl,python3-minimal,busybox-static,procps,util-linux,libseccomp2
        packages+=,bind9-dnsutils,docker-registry,podman,skopeo,xfsprogs,strace,zstd,conntrack,git,openssh-client
    fi
    apt-config dump | grep '^Acquire::' > "$work/apt.conf" || true
    # An initial file system with what this machine needs is made, and boots, much sooner than one
    # with every module.
    mkdir -p "$work/initramfs"
    echo 'MODULES=list' > "$work/initramfs/conf"
    printf '%s\n' virtio_pci virtio_blk ext4 > "$work/initramfs/modules"
    mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt="$work/apt.conf" \
        --essential-hook="install -D -m 644 '$work/initramfs/conf' \"\$1/etc/initramfs-tools/conf.d/davit\"" \
        --essential-hook="install -D -m 644 '$work/initramfs/modules' \"\$1/usr/share/initramfs-tools/modules.d/davit\"" \
        "$suite" "$root" "${sources[@]}"
    install -d "$root/etc/systemd/system/graphical.target.wants"
    cat > "$root/etc/systemd/system/davit-tests.service" <<'UNIT'
[Unit]
Description=davit's tests
After=multi-user.target
[Service]
Type=idle
ExecStartPre=/bin/mount -o ro /dev/vdb /mnt
ExecStart=/mnt/vm-guest.sh
StandardOutput=journal+console
Delegate=yes
UNIT
    ln -s ../davit-tests.service "$root/etc/systemd/system/graphical.target.wants/"
    echo davit-vm > "$root/etc/hostname"
    printf '127.0.0.1 localhost davit-vm\n::1 localhost\n' > "$root/etc/hosts"
    rm -f "$root/etc/resolv.conf"
    echo 'nameserver 127.0.0.1' > "$root/etc/resolv.conf"
    mkdir -p "$machine"
    cp "$root"/boot/vmlinuz-* "$machine/kernel"
    cp "$root"/boot/initrd.img-* "$machine/initrd"
    mke2fs -q -t ext4 -d "$root" "$work/disk" "$(($(du -sm "$root" | cut -f1) * 3 / 2 + 6000))M"
    mv "$work/disk" "$machine/disk"  # last: its presence says that all is there
    rm -rf --one-file-system "$root"
}
[ -e "$machine/disk" ] || make_machine

# --- the disk with the programs, the tests, and the results that there are ---

# At the same places as here: the test programs know where davit and its images are.
copy() {
    mkdir -p "$work/tests/tree$(dirname "$1")"
    cp -aL "$1" "$work/tests/tree$1"
}
mkdir -p "$work/tests/results"
for name in $tests; do copy "$build/tests/${name#test_}/$name"; done
# Some read the sources, or scripts among them. ccache knows them by the place that they had in ROOT.
checkout=$work/tests/tree$([ -n "$readme" ] && echo /davit || echo "$top")
mkdir -p "$checkout"
git -C "$top" ls-files -z | tar -C "$top" --null -T - -cf "$work/sources.tar" || [ $? -eq 1 ]  # 1: one has changed meanwhile
tar -C "$checkout" -xf "$work/sources.tar"
rm "$work/sources.tar"
if [ -z "$readme" ]; then
    for file in "$build/bin/davit" "$build/bin/davit-runtime" "$build/tests/runtime/probe" "$top"/build/images/*.tar; do
        if [ -e "$file" ]; then copy "$file"; fi
    done
    find "$work/tests/tree" -type f -perm -u+x -exec strip --strip-debug {} + 2>/dev/null || true
else
    # Where apt, make-test-image.sh and ccache look first.
    tar -C "$readme" --exclude='lock' --exclude='partial' -cf - \
        var/cache/apt/archives var/lib/apt/lists root/.cache | tar -C "$work/tests/tree" -xf -
fi
for file in "$results"/*.cases; do
    if [ -e "$file" ]; then grep -v "^$again " "$file" > "$work/tests/results/$(basename "$file")" || true; fi
done
if [ -e "$results/reboot" ] && [ "$again" != failed ]; then cp "$results/reboot" "$work/tests/results/"; fi
cp "$top/scripts/vm-guest.sh" "$work/tests/"
{
    printf 'build=%q\ntests=%q\nfilter=%q\n' "$build" "$tests" "$filter"
    printf 'case_seconds=%q\nreboot=%q\nreadme=%q\n' "$case_seconds" "$reboot" "${readme:+yes}"
} > "$work/tests/settings"
mke2fs -q -t ext4 -d "$work/tests" "$work/tests-disk" "$(($(du -sm "$work/tests" | cut -f1) * 5 / 4 + 20))M"
truncate -s 64M "$work/out"  # what comes out, as a tar archive

# --- the run ---

boot() {
    timeout $((minutes * 60)) qemu-system-x86_64 "$@" -m 4096 -nographic -nic none \
        -kernel "$machine/kernel" -initrd "$machine/initrd" \
        -append 'root=/dev/vda rw console=ttyS0 quiet systemd.show_status=false panic=10' \
        -drive "file=$machine/disk,if=virtio,format=raw,cache=unsafe,snapshot=on" \
        -drive "file=$work/tests-disk,if=virtio,format=raw,readonly=on" \
        -drive "file=$work/out,if=virtio,format=raw,cache=unsafe" < /dev/null > "$results/console.txt" 2>&1
}
copy_out() { tar -C "$results" --warning=none -xf "$work/out" 2>/dev/null || true; }
(while sleep 60; do copy_out; done) &
helpers+=($!)
# Some machines have a /dev/kvm that can't carry a machine of this kind: then by software.
hardware=no
if [ -w /dev/kvm ] && timeout 20 qemu-system-x86_64 -accel kvm -cpu host,-arch-capabilities -m 64 \
    -nographic -no-reboot -nic none -kernel "$machine/kernel" -append 'panic=-1 console=ttyS0' < /dev/null 2>&1 |
    grep -q 'Kernel panic'; then hardware=yes; fi
echo "vm: booting, with hardware's help: $hardware"
if [ "$hardware" = yes ]; then
    boot -accel kvm -cpu host,-arch-capabilities -smp 2 || echo "vm: qemu ended with $?"
else
    # The machine's clock counts its instructions and jumps ahead where it waits: a slow emulation,
    # on a busy machine, misses no deadline of a test. One processor: two that count so take turns,
    # and don't get past the kernel's first wait for the second.
    boot -accel tcg,thread=single -icount shift=1,sleep=off -rtc clock=vm -cpu max -smp 1 ||
        echo "vm: qemu ended with $?"
fi
copy_out
cat "$results/machine.txt" || { tail -30 "$results/console.txt"; exit 1; }

# --- what came out ---

count() { grep -c "^$1 " "$results/$name.cases" || true; }
bad=0
for name in $tests; do
    [ -e "$results/$name.cases" ] || { echo "$name: nothing was run"; bad=$((bad + 1)); continue; }
    failed=$(($(count failed) + $(count timeout)))
    left=$(($(cat "$results/$name.wanted") - $(wc -l < "$results/$name.cases")))
    echo "$name: $(count passed) passed, $failed failed, $(count skipped) skipped, $left not run"
    grep -v '^passed ' "$results/$name.cases" | sed 's/^/    /' || true
    bad=$((bad + failed + (left > 0)))
done
if [ -e "$results/reboot" ]; then cat "$results/reboot"; fi
if [ -n "$readme" ]; then
    for name in demo test; do
        echo "==== scripts/$name.sh"
        tail -15 "$results/$name.log"
    done
    grep -q '^ended with 0 ' "$results/demo.log" && grep -q '^ended with 0 ' "$results/test.log" || bad=$((bad + 1))
fi
if grep -q '^failed' "$results/reboot" 2>/dev/null; then bad=$((bad + 1)); fi
[ "$bad" -eq 0 ]
