#!/usr/bin/env bash
# Installs what davit is built with, from the packages of Debian 12 or Ubuntu 24.04.
#   --runtime   only what a built davit needs to run
#   --dev       also the formatter and linters
set -euo pipefail

want=build
dev=no
for arg in "$@"; do
    case "$arg" in
        --runtime) want=runtime ;;
        --dev) dev=yes ;;
        *) echo "usage: $0 [--runtime] [--dev]" >&2; exit 64 ;;
    esac
done

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# The newest Boost of the release that has Boost.Process as we use it: 1.81 on Debian 12, 1.83 on
# Ubuntu 24.04.
boost_package() {
    local package
    for package in libboost1.81-dev libboost1.83-dev; do
        if installed "$package" || apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
            return
        fi
    done
    echo "neither libboost1.81-dev nor libboost1.83-dev is to be had here" >&2
    return 1
}

runtime_packages=(libnftables1 libnl-3-200 libnl-route-3-200 ca-certificates iproute2)
build_packages=(
    g++ cmake ninja-build pkg-config ccache git
    libyaml-cpp-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev doctest-dev
    libnl-3-dev libnl-route-3-dev libnftables-dev libseccomp-dev
    libssl-dev libzstd-dev libisal-dev
    # What the demo and the tests use: a host's tools, and the stuff of images.
    nftables iproute2 curl python3 busybox-static ca-certificates procps util-linux)
dev_packages=(clang-format clang-tidy shellcheck)

if [ "$want" = runtime ]; then
    packages=("${runtime_packages[@]}")
else
    # Package lists are needed to know which Boost there is.
    if ! installed libboost1.81-dev && ! installed libboost1.83-dev; then
        "${as_root[@]}" apt-get update -qq
    fi
    boost=$(boost_package)
    packages=("${build_packages[@]}" "$boost")
fi
if [ "$dev" = yes ]; then packages+=("${dev_packages[@]}"); fi

missing=()
for package in "${packages[@]}"; do
    # libnftables1 and its like may carry a suffix on newer releases (libnl-3-200t64): a virtual
    # package then stands for them, which dpkg doesn't list, and apt finds installed.
    installed "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
    echo "dependencies: all ${#packages[@]} packages are installed"
    exit 0
fi

echo "dependencies: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "dependencies: done"
