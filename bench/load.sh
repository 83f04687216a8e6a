#!/usr/bin/env bash
# The time of `davit config` for projects of 10, 100 and 500 services: least, median and most of N
# runs, in milliseconds; beside `docker compose config` where that is installed. Needs no root.
#   -n N         how many runs (default 20)
#   --build DIR  use the programs of this build folder (default build/release)
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
runs=20
build=$top/build/release
while [ $# -gt 0 ]; do
    case "$1" in
        -n) runs=$2; shift ;;
        --build) build=$2; shift ;;
        *) sed -n '2,5p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done
[ -x "$build/bin/davit" ] || { echo "there is no $build/bin/davit: build it first" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A project whose services use what real ones use: variables, ports, volumes, a healthcheck, an anchor.
project() {
    local count=$1 i
    echo "x-defaults: &defaults {restart: unless-stopped, logging: {options: {max-size: 10m}}}"
    echo "services:"
    for ((i = 0; i < count; ++i)); do
        cat <<END
  service-$i:
    <<: *defaults
    image: registry.example/team/service-$i:\${TAG:-latest}
    command: ["serve", "--port", "8080", "--name", "service-$i"]
    environment:
      DATABASE_URL: postgres://user:\${PASSWORD:-secret}@db-$i:5432/main
      LOG_LEVEL: info
      WORKERS: 4
    ports: ["$((10000 + i)):8080"]
    volumes: ["data-$i:/var/lib/data", "./config/$i:/etc/service:ro"]
    healthcheck: {test: curl -fs localhost:8080/health, interval: 30s, timeout: 5s, retries: 3}
    labels: {team: "$((i % 7))", tier: backend}
END
        [ "$i" -eq 0 ] || echo "    depends_on: {service-$((i - 1)): {condition: service_healthy}}"
    done
    echo "volumes:"
    for ((i = 0; i < count; ++i)); do echo "  data-$i:"; done
}

# NAME COMMAND…: the times of the command, in the folder it is called in.
measure() {
    local name=$1
    shift
    python3 - "$name" "$runs" "$@" <<'END'
import statistics, subprocess, sys, time
name, runs, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
times = []
for _ in range(runs):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times.append((time.perf_counter() - begin) * 1000)
print(f"{name:42} {min(times):7.1f} {statistics.median(times):7.1f} {max(times):7.1f} ms")
END
}

printf '%-42s %7s %7s %7s\n' "" least median most
for count in 10 100 500; do
    mkdir "$work/$count"
    project "$count" > "$work/$count/compose.yaml"
    cd "$work/$count"
    measure "davit config, $count services" "$build/bin/davit" config
    for docker in "docker compose" docker-compose; do
        # shellcheck disable=SC2086 # two words on purpose
        if $docker version > /dev/null 2>&1; then
            # shellcheck disable=SC2086
            measure "$docker config, $count services" $docker config
            break
        fi
    done
done
