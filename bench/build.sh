#!/usr/bin/env bash
# The time of builds with davit beside buildah and docker, as far as these are installed, all in one
# run: the three lines of the first tutorial (FROM nginx, WORKDIR, RUN), the same again without a
# change, and ten stages of which each copies from the one before. Of each the median of N rounds,
# in milliseconds; what is built anew has a text that was not built before.
#   -n N          how many rounds (default 5)
#   --build DIR   use the programs of this build folder (default build/release)
# Docker is that of PATH, or the packages unpacked below $DAVIT_PEER_ROOT (tests/scenarios/fetch-docker.sh).
# The steps have no network, and buildah's are a chroot; the line davit-net is davit with the network
# that a build has by default, which docker's bridge is too much of a host's business for here. Needs root and the images of
# scripts/make-test-image.sh in build/images. The daemon that it compares with is its own.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
    DAVIT_BENCH_INSIDE=1 exec unshare --net --mount "$0" "$@"
fi

rounds=5
build=$top/build/release
while [ $# -gt 0 ]; do
    case "$1" in
        -n) rounds=$2; shift ;;
        --build) build=$(cd "$2" && pwd); shift ;;
        *) sed -n '2,12p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }
image=$top/build/images/nginx.tar
[ -f "$image" ] || { echo "there is no $image: scripts/make-test-image.sh nginx $image" >&2; exit 1; }

ip link set lo up
work=$(mktemp -d /var/tmp/davit-bench.XXXXXX)
own=()
finish() {
    for pid in "${own[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${own[@]}"; do wait "$pid" 2>/dev/null || true; done
    findmnt -rno TARGET | grep -F "$work" | LC_ALL=C sort -r | xargs -r -n1 umount -l 2>/dev/null || true
    rm -rf --one-file-system "$work"
}
trap finish EXIT

# Docker of Debian 13 with its buildx: tests/scenarios/fetch-docker.sh FOLDER.
if [ -n "${DAVIT_PEER_ROOT:-}" ]; then
    PATH=$DAVIT_PEER_ROOT/usr/bin:$DAVIT_PEER_ROOT/usr/sbin:$PATH
    mkdir -p "$work/docker-config"
    ln -s "$DAVIT_PEER_ROOT/usr/libexec/docker/cli-plugins" "$work/docker-config/cli-plugins"
fi

export DAVIT_RUN_ROOT=$work/davit-run
davit() { "$build/bin/davit" --progress quiet --data-root "$work/davit" "$@"; }
buildah() { command buildah --root "$work/buildah" --runroot "$work/buildah-run" --storage-driver overlay "$@"; }
docker() { DOCKER_CONFIG=$work/docker-config DOCKER_BUILDKIT=1 command docker -H "unix://$work/docker.sock" "$@"; }

peers=(davit davit-net)
davit load -i "$image" >/dev/null
davit tag davit/nginx:demo nginx:1.21.3 >/dev/null
if command -v buildah >/dev/null; then
    peers+=(buildah)
    buildah pull -q "docker-archive:$image" >/dev/null
    buildah tag localhost/davit/nginx:demo docker.io/library/nginx:1.21.3
fi
if command -v dockerd >/dev/null && command -v containerd >/dev/null; then
    printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$work/containerd.toml"
    containerd --config "$work/containerd.toml" --root "$work/containerd" --state "$work/containerd-run" \
        --address "$work/containerd.sock" >"$work/containerd.log" 2>&1 &
    own+=($!)
    for _ in $(seq 100); do if [ -S "$work/containerd.sock" ]; then break; fi; sleep 0.1; done
    dockerd --data-root "$work/docker" --exec-root "$work/docker-run" --pidfile "$work/docker.pid" \
        --containerd "$work/containerd.sock" -H "unix://$work/docker.sock" --bridge none \
        --iptables=false --ip6tables=false --ip-forward=false >"$work/docker.log" 2>&1 &
    own+=($!)
    for _ in $(seq 100); do if [ -S "$work/docker.sock" ]; then break; fi; sleep 0.1; done
    if docker load -q -i "$image" >/dev/null 2>&1; then
        peers+=(docker)
        docker tag davit/nginx:demo nginx:1.21.3
    fi
fi

mkdir "$work/tutorial" "$work/stages"
tutorial_of() {  # TEXT
    printf 'FROM nginx:1.21.3\nWORKDIR /usr/share/nginx/html\nRUN echo "%s" > index.html\n' "$1"
}
{
    printf 'FROM nginx:1.21.3 AS s1\nCOPY round /round\nRUN cat /round > /s1\n'
    for stage in $(seq 2 10); do
        printf 'FROM nginx:1.21.3 AS s%d\nCOPY --from=s%d /s%d /in\nRUN cat /in > /s%d\n' \
            "$stage" $((stage - 1)) $((stage - 1)) "$stage"
    done
} >"$work/stages/Dockerfile"

build_with() {  # PEER FOLDER
    case "$1" in
        davit) davit build -q --network none -t "bench/$2:1" "$work/$2/" ;;
        davit-net) davit build -q -t "bench/$2:1" "$work/$2/" ;;
        buildah) buildah bud -q --layers --isolation chroot --pull-never -t "bench/$2:1" "$work/$2" ;;
        docker) docker build -q --network none -t "bench/$2:1" "$work/$2" ;;
    esac >/dev/null 2>"$work/error" || { echo "$1 can't build $2:" >&2; cat "$work/error" >&2; exit 1; }
}

measure() {  # PEER FOLDER CHANGED: milliseconds of each round, one a line
    local begun round
    for round in $(seq "$rounds"); do
        if [ "$3" = changed ]; then
            echo "$1 $round" >"$work/stages/round"
            tutorial_of "This is my first image base nginx! $1 $round" >"$work/tutorial/Dockerfile"
        fi
        begun=$(date +%s%N)
        build_with "$1" "$2"
        echo $((($(date +%s%N) - begun) / 1000000))
    done
}

median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }

printf '%-10s %10s %10s %10s\n' "ms" tutorial again '10 stages'
for peer in "${peers[@]}"; do
    # Its first build makes what later ones find: folders, a builder.
    tutorial_of "$peer" >"$work/tutorial/Dockerfile"
    build_with "$peer" tutorial
    tutorial=$(measure "$peer" tutorial changed | median)
    again=$(measure "$peer" tutorial same | median)
    stages=$(measure "$peer" stages changed | median)
    printf '%-10s %10s %10s %10s\n' "$peer" "$tutorial" "$again" "$stages"
done
