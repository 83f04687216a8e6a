#!/usr/bin/env bash
# What a published port costs: requests a second, their latency and the throughput of one stream
# through 127.0.0.1 beside a direct connection to the container's address; of davit and, where
# dockerd is installed, of Docker. Both serve the same nginx, each on a host of its own (a network
# namespace), and take turns, so that a busy moment hits both. Median of N rounds.
#   -n N         how many rounds (default 5)
#   --seconds S  how long each measurement takes (default 2)
#   --build DIR  use the programs of this build folder (default build/release)
# Needs root, wrk, iperf3, curl, and build DIR/images/nginx.tar, which the build makes.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
    DAVIT_BENCH_INSIDE=1 exec unshare --mount "$0" "$@"
fi

rounds=5 seconds=2 build=$top/build/release
while [ $# -gt 0 ]; do
    case "$1" in
        -n) rounds=$2; shift ;;
        --seconds) seconds=$2; shift ;;
        --build) build=$2; shift ;;
        *) sed -n '2,9p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }
for program in wrk iperf3 curl; do
    command -v "$program" >/dev/null || { echo "install $program first" >&2; exit 1; }
done
images=$build/../images
[ -f "$images/nginx.tar" ] || images=$build/images
[ -f "$images/nginx.tar" ] || { echo "there is no nginx.tar below $build: build it first" >&2; exit 1; }

work=$(mktemp -d /var/tmp/davit-bench.XXXXXX)
export DAVIT_RUN_ROOT=$work/run DAVIT_DATA_ROOT=$work/data
engines=davit
[ -z "$(command -v dockerd)" ] || engines="davit docker"
started=''
netns_of() { echo "/run/netns/davit-bench-$$-$1"; }
on() { nsenter --net="$(netns_of "$1")" "${@:2}"; }
davit() { on davit "$build/bin/davit" --progress quiet -f "$work/compose.yaml" "$@"; }
docker() { on docker docker -H "unix://$work/docker.sock" "$@"; }
finish() {
    [ ! -f "$work/compose.yaml" ] || davit down -t 0 >/dev/null 2>&1 || true
    [ ! -S "$work/docker.sock" ] || docker rm -f web >/dev/null 2>&1 || true
    for pid in $started; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    for engine in $engines; do ip netns del "davit-bench-$$-$engine" 2>/dev/null || true; done
    umount -R -l "$work/docker" 2>/dev/null || true
    for folder in "/sys/fs/cgroup/davit-bench-$$" /sys/fs/cgroup/*/"davit-bench-$$"; do
        [ ! -d "$folder" ] || rmdir "$folder" 2>/dev/null || true
    done
    rm -rf --one-file-system "$work"
}
trap finish EXIT

for engine in $engines; do
    ip netns add "davit-bench-$$-$engine"
    on "$engine" ip link set lo up
    on "$engine" sh -c 'echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait'
done
image=$("$build/bin/davit" load -i "$images/nginx.tar" | sed -n 's/^Loaded image: //p')
# Without a log: it is the network that is measured.
cat >"$work/nginx.conf" <<N
worker_processes 1;
events {}
http {
    access_log off;
    keepalive_requests 100000000;
    server { listen 80; location / { return 200 "ok"; } }
}
N
cat >"$work/compose.yaml" <<Y
name: bench-$$
services:
  web:
    image: $image
    ports: ["127.0.0.1:18080:80", "127.0.0.1:15201:5201"]
    volumes: ["$work/nginx.conf:/etc/nginx/nginx.conf:ro"]
Y
davit up -d
container=$(davit inspect -f '{{.State.Pid}}' "bench-$$-web-1")
declare -A pid=([davit]=$container) address=()

if [ "$engines" != davit ]; then
    # Not by a function: the process that is ended has to be dockerd itself.
    nsenter --net="$(netns_of docker)" dockerd --data-root "$work/docker" --exec-root "$work/docker-run" \
        --cgroup-parent "/davit-bench-$$" --pidfile "$work/docker.pid" -H "unix://$work/docker.sock" >"$work/docker.log" 2>&1 &
    started+=" $!"
    for _ in $(seq 150); do
        if docker info >/dev/null 2>&1; then break; fi
        sleep 0.2
    done
    docker load -q -i "$images/nginx.tar" >/dev/null || { tail -5 "$work/docker.log" >&2; exit 1; }
    docker run -d --name web -p 127.0.0.1:18080:80 -p 127.0.0.1:15201:5201 \
        -v "$work/nginx.conf:/etc/nginx/nginx.conf:ro" "$image" >/dev/null
    pid[docker]=$(docker inspect -f '{{.State.Pid}}' web)
fi
for engine in $engines; do
    address[$engine]=$(nsenter -n -t "${pid[$engine]}" ip -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')
    # One client has too few ports for all these connections if each waits for a minute after its
    # end. What is published and what is direct come to the container from the same address.
    nsenter -n -t "${pid[$engine]}" sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_max_tw_buckets'
    nsenter -n -t "${pid[$engine]}" iperf3 -s >/dev/null 2>&1 &
    started+=" $!"
    until on "$engine" curl -s -o /dev/null "http://127.0.0.1:18080/"; do sleep 0.1; done
done

# measure ENGINE NAME HOST HTTP-PORT IPERF-PORT
measure() {
    local file=$work/$1-$2
    on "$1" wrk -t1 -c16 -d"${seconds}s" --latency "http://$3:$4/" >"$work/wrk"
    awk '/Requests\/sec/ { print $2 }' "$work/wrk" >>"$file-requests"
    # "1.23ms", "456.00us"
    awk '$1 == "50%" || $1 == "99%" { t = $2; sub(/[a-z]+$/, "", t); if ($2 ~ /ms$/) t *= 1000;
         if ($2 ~ /[0-9]s$/) t *= 1000000; print t > ("'"$file"'-latency" ($1 + 0) ".new") }' "$work/wrk"
    for part in 50 99; do cat "$file-latency$part.new" >>"$file-latency$part"; done
    on "$1" wrk -t1 -c16 -d"${seconds}s" -H 'Connection: close' "http://$3:$4/" |
        awk '/Requests\/sec/ { print $2 }' >>"$file-connections"
    on "$1" iperf3 -c "$3" -p "$5" -t "$seconds" -f m | awk '/receiver/ { print $7 }' >>"$file-stream"
}
for _ in $(seq "$rounds"); do
    for engine in $engines; do
        measure "$engine" published 127.0.0.1 18080 15201
        measure "$engine" direct "${address[$engine]}" 80 5201
    done
done

median() { sort -n "$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
printf 'median of %s rounds of %s s\n' "$rounds" "$seconds"
printf '%-18s %12s %12s %12s %14s %12s\n' '' requests/s 'p50 us' 'p99 us' connections/s Mbit/s
for engine in $engines; do
    for name in direct published; do
        printf '%-18s' "$engine $name"
        for what in requests latency50 latency99 connections stream; do
            printf ' %12s' "$(median "$work/$engine-$name-$what")"
        done
        printf '\n'
    done
done
[ "$engines" != davit ] || echo "Docker is not installed here: apt-get install docker.io"
