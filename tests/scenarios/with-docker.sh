#!/usr/bin/env bash
# with-docker.sh COMMAND…: carries out COMMAND beside a dockerd of its own, in namespaces of its own
# (network, mounts, processes): nothing of the host's Docker is seen or touched, nothing is left.
# The programs are those of PATH, or those below $DAVIT_PEER_ROOT (packages unpacked with dpkg -x).
# Exit status 77: there is no dockerd, or no docker compose of version 2, or it doesn't run here.
set -euo pipefail

if [ -z "${WITH_DOCKER_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "skipped: needs root"; exit 77; }
    if [ -n "${DAVIT_PEER_ROOT:-}" ]; then
        export PATH=$DAVIT_PEER_ROOT/usr/bin:$DAVIT_PEER_ROOT/usr/sbin:$PATH
    fi
    for program in dockerd containerd runc docker; do
        command -v "$program" > /dev/null || { echo "skipped: no $program is installed"; exit 77; }
    done
    folder=$(mktemp -d /var/tmp/davit-docker.XXXXXX)
    inner=
    finish() {
        # Everything in the process namespace ends with its first process.
        [ -z "$inner" ] || kill -KILL "$inner" 2> /dev/null || true
        wait || true
        for _ in 1 2 3; do  # the kernel takes a moment to empty the cgroups
            find /sys/fs/cgroup -depth -type d -path "*/$(basename "$folder")*" -exec rmdir {} + 2> /dev/null || true
            sleep 0.2
        done
        rm -rf --one-file-system "$folder"
    }
    trap finish EXIT
    trap 'exit 143' TERM HUP
    trap 'exit 130' INT
    WITH_DOCKER_INSIDE=$folder unshare --net --mount --pid --fork --kill-child --mount-proc "$0" "$@" &
    inner=$!
    status=0
    wait "$inner" || status=$?
    inner=
    exit "$status"
fi

folder=$WITH_DOCKER_INSIDE
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /run/lock /run/docker-config/cli-plugins "$folder/data"
ip link set lo up
export DOCKER_HOST=unix:///run/docker.sock DOCKER_CONFIG=/run/docker-config
plugin=${DAVIT_PEER_ROOT:-}/usr/libexec/docker/cli-plugins/docker-compose
[ ! -x "$plugin" ] || ln -s "$plugin" "$DOCKER_CONFIG/cli-plugins/"
docker compose version > /dev/null 2>&1 || { echo "skipped: no docker compose is installed"; exit 77; }
dockerd --host "$DOCKER_HOST" --data-root "$folder/data" --exec-root /run/docker-exec \
    --pidfile /run/docker.pid --cgroup-parent "/$(basename "$folder")" > "$folder/log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
    docker info > /dev/null 2>&1 && break
    kill -0 "$daemon" 2> /dev/null || break
    sleep 0.2
done
if ! docker info > /dev/null 2>&1; then
    echo "skipped: dockerd doesn't run here:"
    tail -n 3 "$folder/log"
    exit 77
fi
status=0
"$@" || status=$?
kill "$daemon"
wait "$daemon" || true
exit "$status"
