#!/usr/bin/env bash
# The tests in a virtual machine with systemd and cgroup v2 alone: makes a Debian root file system
# with mmdebstrap, puts the programs and tests of a build into it, boots it with qemu (by software
# emulation where there is no /dev/kvm), runs them there and copies the results out. Needs root,
# mmdebstrap, qemu-system-x86, mke2fs, and a package mirror: the one that this machine's apt uses.
#   --build DIR     the build tree (default build/dev)
#   --suite NAME    bookworm (default) or trixie
#   --filter REGEX  only test programs' cases that match (doctest's --test-case)
#   --tests LIST    the test programs (default: "test_system test_runtime test_network")
#   --results DIR   where the logs go (default: build/vm)
#   --time MINUTES  end the machine after so long (default 60)
# The last line says how many cases passed and failed there.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build/dev suite=bookworm filter='*' minutes=60 results=$top/build/vm
tests="test_system test_runtime test_network"
while [ $# -gt 0 ]; do
    case "$1" in
        --build) build=$(cd "$2" && pwd) ;;
        --suite) suite=$2 ;;
        --filter) filter=$2 ;;
        --tests) tests=$2 ;;
        --results) results=$2 ;;
        --time) minutes=$2 ;;
        *) sed -n '2,13p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift 2
done
[ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
for tool in mmdebstrap qemu-system-x86_64 mke2fs; do
    command -v "$tool" >/dev/null || { echo "install $tool first" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/var/tmp}/davit-vm.XXXXXX")
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir -p "$results"

# --- the root file system ---

sources=()
if [ "$suite" = bookworm ]; then
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        if [ -s "$file" ]; then sources+=("$file"); fi
    done
fi
# What davit needs to run, what its tests use, and what makes a machine of it.
mapfile -t needed < <("$top/scripts/install-deps.sh" --list-runtime)
packages=$(printf '%s,' "${needed[@]}")
packages+=systemd-sysv,udev,dbus,linux-image-cloud-amd64,kmod,nftables,curl,python3-minimal,busybox-static
packages+=,procps,util-linux,libseccomp2,bind9-dnsutils,docker-registry,podman,skopeo,xfsprogs
apt-config dump | grep '^Acquire::' > "$work/apt.conf" || true
mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt="$work/apt.conf" \
    "$suite" "$root" "${sources[@]}"

# At the same places as here: the test programs know where davit and its images are.
copy() {
    mkdir -p "$root$(dirname "$1")"
    cp -aL "$1" "$root$1"
}
for name in $tests; do copy "$build/tests/${name#test_}/$name"; done
for file in "$build/bin/davit" "$build/bin/davit-runtime" "$build"/bin/*.so; do
    if [ -e "$file" ]; then copy "$file"; fi
done
for image in "$top"/build/images/*.tar; do copy "$image"; done
mkdir -p "$root/results"
cat > "$root/run-tests" <<EOF
#!/bin/bash
# Runs in the machine; everything it says goes to its console.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
for module in overlay veth bridge macvlan ipvlan nf_tables nft_chain_nat nf_conntrack loop xfs; do modprobe -q \$module; done
uname -a > /results/machine.txt
stat -f -c 'cgroups: %T' /sys/fs/cgroup >> /results/machine.txt
cat /sys/fs/cgroup/cgroup.controllers >> /results/machine.txt
"$build/bin/davit" version >> /results/machine.txt 2>&1
# What there is so far is copied out every minute, should the machine run out of its time.
copy_out() { tar -C /results -cf /dev/vdb . 2>/dev/null; sync; }
(while sleep 60; do copy_out; done) &
copying=\$!
for name in $tests; do
    echo "vm: \$name"
    cd $build/tests/\${name#test_}
    timeout $((minutes * 50)) ./\$name --test-case='$filter' --duration=true > /results/\$name.txt 2>&1
    echo "vm: \$name ended with \$?: \$(grep 'test cases:' /results/\$name.txt)"
done
kill \$copying
copy_out
systemctl poweroff
EOF
chmod +x "$root/run-tests"
cat > "$root/etc/systemd/system/davit-tests.service" <<'EOF'
[Unit]
Description=davit's tests
After=multi-user.target
[Service]
Type=idle
ExecStart=/run-tests
StandardOutput=journal+console
Delegate=yes
EOF
mkdir -p "$root/etc/systemd/system/graphical.target.wants"
ln -s ../davit-tests.service "$root/etc/systemd/system/graphical.target.wants/"
echo davit-vm > "$root/etc/hostname"
printf '127.0.0.1 localhost davit-vm\n::1 localhost\n' > "$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
echo 'nameserver 127.0.0.1' > "$root/etc/resolv.conf"
cp "$root"/boot/vmlinuz-* "$work/kernel"
cp "$root"/boot/initrd.img-* "$work/initrd"
size=$(($(du -sm "$root" | cut -f1) * 3 / 2 + 3000))
mke2fs -q -t ext4 -d "$root" "$work/disk" "${size}M"
rm -rf --one-file-system "$root" "$results"/*.txt

# --- the machine ---

truncate -s 64M "$work/out"  # what comes out, as a tar archive
boot() {
    timeout $((minutes * 60)) qemu-system-x86_64 "$@" -smp 2 -m 3072 -nographic -no-reboot \
        -kernel "$work/kernel" -initrd "$work/initrd" -nic none \
        -append 'root=/dev/vda rw console=ttyS0 quiet systemd.show_status=false' \
        -drive "file=$work/disk,if=virtio,format=raw,cache=unsafe" \
        -drive "file=$work/out,if=virtio,format=raw,cache=unsafe" < /dev/null > "$results/console.txt" 2>&1
}
# Some machines have a /dev/kvm that can't carry a machine of this kind: then by software.
hardware=no
if [ -w /dev/kvm ] && timeout 20 qemu-system-x86_64 -accel kvm -cpu host,-arch-capabilities -m 64 \
    -nographic -no-reboot -nic none -kernel "$work/kernel" -append 'panic=-1 console=ttyS0' < /dev/null 2>&1 |
    grep -q 'Kernel panic'; then hardware=yes; fi
echo "vm: booting, with hardware's help: $hardware"
if [ "$hardware" = yes ]; then
    boot -accel kvm -cpu host,-arch-capabilities || echo "vm: qemu ended with $?"
else
    boot -accel 'tcg,thread=multi' -cpu max || echo "vm: qemu ended with $?"
fi
tar -C "$results" -xf "$work/out" 2>/dev/null || true
cat "$results/machine.txt" || { tail -30 "$results/console.txt"; exit 1; }

passed=0 failed=0 missing=0
for name in $tests; do
    if line=$(grep 'test cases:' "$results/$name.txt"); then
        echo "$name: ${line#*test cases:}"
        passed=$((passed + $(sed -E 's/.*\| *([0-9]+) passed.*/\1/' <<< "$line")))
        failed=$((failed + $(sed -E 's/.*\| *([0-9]+) failed.*/\1/' <<< "$line")))
    else
        echo "$name: did not come to an end, after $(grep -c '^[0-9.]* s: ' "$results/$name.txt") cases"
        missing=$((missing + 1))
    fi
done
grep -h 'skipped:' "$results"/test_*.txt | sort | uniq -c || true
echo "$passed passed, $((failed + missing)) failed"
[ "$failed" -eq 0 ] && [ "$missing" -eq 0 ]
