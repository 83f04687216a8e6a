#!/usr/bin/env bash
# Installs what davit is built with, from the packages of Debian 12 or Ubuntu 24.04.
#   --runtime   only what a built davit needs to run
#   --dev       also the formatter and linters
#   --list-runtime  names the packages of --runtime, and installs nothing
set -euo pipefail
export LC_ALL=C  # apt's answers are read

want=build
dev=no
for arg in "$@"; do
    case "$arg" in
        --runtime) want=runtime ;;
        --dev) dev=yes ;;
        --list-runtime) want=list ;;
        *) sed -n '2,5p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
done

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi

# a|b: the name differs between releases, and the first that there is will do.
runtime_packages=(
    'libyaml-cpp0.7|libyaml-cpp0.8' 'libssl3|libssl3t64' libzstd1 liblzma5 libbz2-1.0 libisal2
    'libcurl4|libcurl4t64' libnftables1 libnl-3-200 ca-certificates iproute2)
build_packages=(
    g++ cmake ninja-build pkg-config ccache git
    # Boost with the Boost.Process that we use.
    'libboost1.81-dev|libboost1.83-dev'
    libyaml-cpp-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev doctest-dev
    libnl-3-dev libnl-route-3-dev libnftables-dev libseccomp-dev
    libssl-dev libcurl4-openssl-dev zlib1g-dev libzstd-dev liblzma-dev libbz2-dev libisal-dev libtomlplusplus-dev
    # What the demo and the tests use: a host's tools, and the stuff of images.
    nftables iproute2 curl python3 busybox-static ca-certificates procps util-linux skopeo
    docker-registry openssl openssh-client bind9-dnsutils podman strace zstd)
dev_packages=('clang-format-14|clang-format' clang-tidy shellcheck)

packages=("${build_packages[@]}")
if [ "$want" = runtime ]; then packages=("${runtime_packages[@]}"); fi
if [ "$dev" = yes ]; then packages+=("${dev_packages[@]}"); fi

installed() {
    local name
    for name in ${1//|/ }; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ]; then return 0; fi
    done
    return 1
}

# The first of `a|b` that apt can install.
choose() {
    local name
    for name in ${1//|/ }; do
        if [[ "$(apt-cache policy "$name")" =~ "  Candidate: "[^\(] ]]; then
            echo "$name"
            return
        fi
    done
    echo "dependencies: apt has no ${1//|/ or }: davit needs Debian 12 or Ubuntu 24.04" >&2
    return 1
}

if [ "$want" = list ]; then
    for package in "${runtime_packages[@]}"; do choose "$package"; done
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
    echo "dependencies: all ${#packages[@]} packages are installed"
    exit 0
fi

"${as_root[@]}" apt-get update -qq
chosen=()
for package in "${missing[@]}"; do
    name=$(choose "$package")
    chosen+=("$name")
done
echo "dependencies: installing ${chosen[*]}"
# --no-remove: rather stop than take away what somebody else has put there.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    --no-remove "${chosen[@]}" >/dev/null
echo "dependencies: done"
