#!/usr/bin/env bash
# Makes the Debian package of the build tree $1, looks into it, and installs and removes it in a
# root of its own. $2: folder of packaging/.
set -euo pipefail

build=$1
source=$2
[ "$(id -u)" -eq 0 ] || { echo "skipped: dpkg needs root"; exit 77; }
command -v dpkg-deb > /dev/null || { echo "skipped: dpkg-deb is not installed"; exit 77; }
command -v dpkg-shlibdeps > /dev/null || { echo "skipped: dpkg-dev is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
fail() { echo "$*"; status=1; }

cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/package" > "$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
package=$(echo "$work"/package/*.deb)
[ -f "$package" ] || { echo "no package was made"; exit 1; }

dpkg-deb --contents "$package" > "$work/contents"
for file in usr/bin/davit usr/libexec/davit/davit-runtime usr/share/man/man1/davit.1 \
    usr/share/man/man1/davit-up.1 usr/share/bash-completion/completions/davit \
    usr/share/zsh/vendor-completions/_davit usr/share/fish/vendor_completions.d/davit.fish \
    usr/lib/systemd/system/davit@.service usr/share/doc/davit/examples/config.yaml \
    usr/share/doc/davit/copyright usr/share/doc/davit/docs/compatibility.md; do
    grep -q " \./$file\$" "$work/contents" || fail "the package has no $file"
done
if awk '$2 != "root/root" { found = 1 } END { exit !found }' "$work/contents"; then
    fail "the package has files that are not root's"
fi
depends=$(dpkg-deb --field "$package" Depends)
for library in libc6 libyaml-cpp libnftables1 libcurl4 iproute2; do
    case $depends in *$library*) ;; *) fail "the package does not depend on $library: $depends" ;; esac
done

root=$work/root
mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers}
touch "$root/var/lib/dpkg/status"
find "$root" | sort > "$work/before"
dpkg --root="$root" --force-depends --log=/dev/null -i "$package" > "$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
"$root/usr/bin/davit" version > "$work/version" || fail "the installed davit does not start"
grep -q "^davit" "$work/version" || fail "davit version: $(cat "$work/version")"
if "$root/usr/bin/davit-runtime" --version > /dev/null 2>&1; then
    fail "davit-runtime is in everybody's PATH"
fi
"$root/usr/libexec/davit/davit-runtime" --version > /dev/null || fail "davit-runtime does not start"
if command -v systemd-analyze > /dev/null; then
    said=$(systemd-analyze verify --man=no "$root/usr/lib/systemd/system/davit@.service" 2>&1 | grep 'davit@' | grep -v 'davit is not executable\|Command davit' || true)
    [ -z "$said" ] || fail "systemd-analyze: $said"
fi
# The example is a configuration that davit takes.
unshare --mount sh -c 'mkdir -p /etc/davit && mount -t tmpfs none /etc/davit && cp "$1" /etc/davit/config.yaml && "$2" ls > /dev/null' \
    sh "$source/config.yaml" "$root/usr/bin/davit" || fail "the example of the configuration is refused"
dpkg --root="$root" --log=/dev/null -P davit > "$work/log" 2>&1 || { cat "$work/log"; fail "it can't be removed"; }
find "$root" -path "$root/var/lib/dpkg" -prune -o -print | sort > "$work/after"
left=$(grep -vxF -f "$work/before" "$work/after" | grep -vx "$root/usr\|$root/usr/.*" || true)
files=$(find "$root/usr" -type f 2> /dev/null || true)
[ -z "$left$files" ] || fail "left behind: $left $files"
exit $status
