#!/usr/bin/env bash
# The main job, from nothing: installs the dependencies, builds davit, makes images from Debian
# packages, brings samples/hello-nginx up, and uses it as its user would. Leaves the stack up.
#   --no-install       the dependencies are there already
#   --build DIR        use the programs of this build folder instead of building
#   --data-root DIR    where davit keeps its data (default: davit's own)
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
install=yes
build=
davit_flags=()
while [ $# -gt 0 ]; do
    case "$1" in
        --no-install) install=no ;;
        --build) build=$2; shift ;;
        --data-root) davit_flags+=(--data-root "$2"); shift ;;
        *) sed -n '2,6p' "$0" | cut -c3- >&2; exit 64 ;;
    esac
    shift
done

say() { printf '\n== %s\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "run it as root: containers need namespaces, mounts and a network"
if [ "$install" = yes ]; then "$top/scripts/install-deps.sh"; fi
if [ -z "$build" ]; then
    build=$top/build/release
    say "building davit"
    cmake --preset release -S "$top" -DDAVIT_TESTS=OFF >/dev/null
    cmake --build "$build" --target davit davit-runtime
fi
davit() { "$build/bin/davit" "${davit_flags[@]}" "$@"; }

say "images from Debian packages"
images=$top/build/images
for kind in nginx busybox hello-world; do
    image=$images/$kind.tar
    # An older one will do where there is no mirror.
    [ "$image" -nt "$top/scripts/make-test-image.sh" ] || "$top/scripts/make-test-image.sh" "$kind" "$image" ||
        [ -f "$image" ] || fail "no image '$kind'"
    davit load -i "$image"
done
davit images

say "hello-world"
cd "$top/samples/hello-world"
davit up --no-log-prefix
davit down

say "davit up -d"
cd "$top/samples/hello-nginx"
davit up -d

# Asks until the answer has the words, at most ten seconds.
expect() {
    local words=$1 answer=
    shift
    for _ in $(seq 50); do
        answer=$(curl -sS --noproxy '*' --max-time 2 "$@" 2>&1) || true
        case "$answer" in *"$words"*) echo "curl $*: ok"; return ;; esac
        sleep 0.2
    done
    fail "curl $*: '$words' is not in: $answer"
}

say "the page, through 127.0.0.1:8080 and through the container's own address"
address=$(davit inspect -f '{{.NetworkSettings.IPAddress}}' hello-nginx-web-1)
expect 'Hello from nginx, run by davit' http://127.0.0.1:8080/
expect 'Hello from nginx, run by davit' "http://$address/"
expect 'UTC' http://127.0.0.1:8080/clock
expect 'UTC' http://127.0.0.1:8080/ticks/now

say "a file changed in the bind-mounted folder is served at once"
echo 'changed while it runs' > html/demo.txt
trap 'rm -f "$top/samples/hello-nginx/html/demo.txt"' EXIT
[ "$(curl -sS --noproxy '*' --max-time 2 http://127.0.0.1:8080/demo.txt)" = 'changed while it runs' ] ||
    fail "the changed file is not served"
echo "http://127.0.0.1:8080/demo.txt: ok"

say "davit ps"
davit ps

say "davit logs web"
davit logs --tail 5 web

say "inside the network of web"
pid=$(davit inspect -f '{{.State.Pid}}' hello-nginx-web-1)
echo "Pid $pid"
nsenter -t "$pid" -n ip -brief address
cat "/proc/$pid/uid_map"
grep -E '^(CapEff|Seccomp):' "/proc/$pid/status"

cat <<END

The stack is up: http://127.0.0.1:8080
Take it down with
    cd $top/samples/hello-nginx && $build/bin/davit ${davit_flags[*]} down -v
END
