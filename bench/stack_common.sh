#!/usr/bin/env bash
# What the benchmarks of stacks share, which read this after their arguments: an image, davit, docker
# and podman-compose behind one word each, times and medians.
: "${build:?is for the benchmarks of stacks to read: see bench/stack50.sh}" "${parent:?where the data root is made}"
engines=()  # that are measured, and taken down at the end

[ -x /bin/busybox ] || { echo "install busybox-static first" >&2; exit 1; }
work=$(mktemp -d "$parent/davit-bench.XXXXXX")
export COMPOSE_PROJECT_NAME=davit-bench-$$ DAVIT_RUN_ROOT=$work/run DAVIT_DATA_ROOT=$work/data
export COMPOSE_PROGRESS=quiet PODMAN_COMPOSE_WARNING_LOGS=false
podman_space=
image=localhost/davit-bench:1

finish() {
    for engine in "${engines[@]}"; do compose "$engine" down -t 0 > /dev/null 2>&1 || true; done
    [ -z "$podman_space" ] || { podman rmi -f "$image" > /dev/null 2>&1 || true; kill "$podman_space"; }
    umount "$DAVIT_RUN_ROOT" || true
    rm -rf --one-file-system "$work"
}
trap finish EXIT
ip link set lo up
# In memory, as /run is.
mkdir "$DAVIT_RUN_ROOT"
mount -t tmpfs none "$DAVIT_RUN_ROOT"

# An image with busybox, the same for all.
mkdir -p "$work/root/bin" "$work/root/etc" "$work/project"
cp /bin/busybox "$work/root/bin/"
for name in sh sleep true; do ln -s busybox "$work/root/bin/$name"; done
echo 'root:x:0:0:root:/:/bin/sh' > "$work/root/etc/passwd"
tar --owner=0 --group=0 -C "$work/root" -cf "$work/root.tar" .

# compose ENGINE WORD...: in the folder of the project.
compose() {
    local engine=$1
    shift
    case $engine in
        davit) "$build/bin/davit" "$@" ;;
        docker) docker compose "$@" ;;
        podman) nsenter --target "$podman_space" --mount --wd="$PWD" -- podman-compose "$@" ;;
    esac
}

# prepare ENGINE: loads the image; fails where the engine doesn't work here.
prepare() {
    case $1 in
        davit) "$build/bin/davit" import "$work/root.tar" "$image" > /dev/null ;;
        docker) docker info > /dev/null 2>&1 && docker compose version > /dev/null 2>&1 &&
            docker import "$work/root.tar" "$image" > /dev/null ;;
        podman)
            command -v podman-compose > /dev/null || return 1
            # Its crun takes no machine with both versions of cgroups, nor one that may not raise
            # limits; podman-compose says nothing where a container doesn't start.
            mkfifo "$work/ready"
            unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2> /dev/null; : > "$0"; exec sleep infinity' "$work/ready" &
            podman_space=$!
            read -r < "$work/ready" || true  # until it is so far
            printf '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n' > "$work/containers.conf"
            export CONTAINERS_CONF=$work/containers.conf
            podman import -q "$work/root.tar" "$image" > /dev/null 2>&1 &&
                nsenter --target "$podman_space" --mount -- podman run --rm "$image" /bin/busybox true > /dev/null 2>&1
            ;;
        *) return 1 ;;
    esac
}

# measure FILE WORD...: appends the microseconds that it took.
measure() {
    local file=$1 begin=${EPOCHREALTIME/./}
    shift
    "$@" > "$work/said" 2>&1 || { echo "failed: $*" >&2; tail -5 "$work/said" >&2; return 1; }
    echo $((${EPOCHREALTIME/./} - begin)) >> "$file"
}

# median FILE: in milliseconds; "-" where nothing was measured.
median() {
    [ -s "$1" ] || { echo -; return; }
    sort -n "$1" | awk '{ t[NR] = $1 / 1000 } END { printf "%.1f", NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
}
