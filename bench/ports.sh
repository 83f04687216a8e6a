#!/usr/bin/env bash
# What 1,000 published ports cost: the time of `up -d` with them beside that with one, how many
# times the packet rules are loaded with ports, and how long a connection to 127.0.0.1 takes through
# the first and the last of them beside one alone. Median of N rounds.
#   -n N         how many rounds (default 5)
#   --ports N    how many ports (default 1000)
#   --build DIR  use the programs of this build folder (default build/release)
# Everything happens in a network namespace of its own. Needs root, busybox-static, nft and python3.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${DAVIT_BENCH_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
    DAVIT_BENCH_INSIDE=1 exec unshare --net --mount "$0" "$@"
fi

rounds=5 ports=1000 build=$top/build/release
while [ $# -gt 0 ]; do
    case "$1" in
        -n) rounds=$2; shift ;;
        --ports) ports=$2; shift ;;
        --build) build=$2; shift ;;
        *) sed -n '2,8p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build the preset release first" >&2; exit 1; }

ip link set lo up
work=$(mktemp -d /var/tmp/davit-bench.XXXXXX)
export DAVIT_RUN_ROOT=$work/run DAVIT_DATA_ROOT=$work/data
davit() { "$build/bin/davit" --progress quiet -f "$work/$1.yaml" "${@:2}"; }
monitor='' server=''
finish() {
    for pid in $monitor $server; do kill "$pid" 2>/dev/null || true; done
    for file in one many; do
        if [ -f "$work/$file.yaml" ]; then davit "$file" down -t 0 >/dev/null 2>&1 || true; fi
    done
    rm -rf --one-file-system "$work"
}
trap finish EXIT

mkdir -p "$work/root/bin"
cp /bin/busybox "$work/root/bin/"
ln -s busybox "$work/root/bin/sleep"
tar --owner=0 --group=0 -C "$work/root" -cf "$work/root.tar" .
"$build/bin/davit" import "$work/root.tar" local/bench:1 >/dev/null

# project NAME LAST: publishes the ports from 20000 to LAST.
project() {
    cat >"$work/$1.yaml" <<Y
name: bench-$$-$1
services:
  web:
    image: local/bench:1
    command: sleep 1000
    stop_signal: SIGKILL
    ports: ["20000-$2:10000-$((10000 + $2 - 20000))"]
Y
}
last=$((20000 + ports - 1))
project one 20000
project many "$last"

cat >"$work/serve.py" <<'P'
import selectors, socket, sys
# Every connection gets one byte. All ports that are asked for lead to one of these.
wait = selectors.DefaultSelector()
for port in sys.argv[1:]:
    listener = socket.create_server(("", int(port)), backlog=1024)
    wait.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in wait.select():
        client, _ = key.fileobj.accept()
        client.sendall(b"x")
        client.close()
P
cat >"$work/ask.py" <<'P'
import socket, statistics, sys, time
port, times = int(sys.argv[1]), []
for _ in range(2000):
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.recv(1)
    times.append((time.perf_counter() - begin) * 1e6)
print(f"{statistics.median(times):.1f}")
P

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
milliseconds() {
    local begin
    begin=$(date +%s%N)
    "$@" >/dev/null
    echo $((($(date +%s%N) - begin) / 1000000))
}
# serve NAME PORT...: the container's ports are served from outside, in its network namespace.
serve() {
    local pid
    pid=$(davit "$1" inspect -f '{{.State.Pid}}' "bench-$$-$1-web-1")
    nsenter -n -t "$pid" python3 "$work/serve.py" "${@:2}" &
    server=$!
    sleep 0.3
}
rest() {
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

for round in $(seq "$rounds"); do
    milliseconds davit one up -d >>"$work/up-one"
    serve one 10000
    python3 "$work/ask.py" 20000 >>"$work/ask-one"
    rest
    davit one down -t 0
    nft monitor >"$work/monitor-$round" 2>/dev/null &
    monitor=$!
    sleep 0.2
    milliseconds davit many up -d >>"$work/up-many"
    sleep 0.2
    kill "$monitor"
    wait "$monitor" 2>/dev/null || true
    monitor=
    # A load that has ports adds this element; one that has none makes the map empty.
    grep -c "add element inet davit p4any .*[^0-9]20000 " "$work/monitor-$round" >>"$work/loads" || true
    serve many 10000 $((10000 + ports - 1))
    python3 "$work/ask.py" 20000 >>"$work/ask-first"
    python3 "$work/ask.py" "$last" >>"$work/ask-last"
    rest
    milliseconds davit many down -t 0 >>"$work/down-many"
done

one=$(median <"$work/up-one") many=$(median <"$work/up-many")
echo "median of $rounds rounds"
echo "up -d with one port            $one ms"
echo "up -d with $ports ports          $many ms: $((many - one)) ms more"
echo "down with $ports ports           $(median <"$work/down-many") ms"
echo "loads of the rules with ports  $(median <"$work/loads")"
echo "a connection, one port         $(median <"$work/ask-one") us"
echo "a connection, first of $ports    $(median <"$work/ask-first") us"
echo "a connection, last of $ports     $(median <"$work/ask-last") us"
