#!/usr/bin/env bash
# fetch-docker.sh FOLDER: unpacks Docker with Buildx and Compose of Debian 13 below FOLDER, for
# DAVIT_PEER_ROOT of with-docker.sh. Nothing is installed; apt's own settings and lists stay as they
# are. Needs apt, a Debian mirror and runc.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,4p' "$0" | cut -c3- >&2; exit 64; }
mkdir -p "$1"
root=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,cache}/partial
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$key] ${DEBIAN_MIRROR:-http://deb.debian.org/debian} trixie main" > "$work/sources.list"
options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" -qq update
cd "$work"
apt-get "${options[@]}" -qq download docker.io docker-cli docker-buildx docker-compose containerd tini
for package in ./*.deb; do dpkg -x "$package" "$root"; done
"$root/usr/bin/docker" --version
"$root/usr/libexec/docker/cli-plugins/docker-compose" version
"$root/usr/libexec/docker/cli-plugins/docker-buildx" version
