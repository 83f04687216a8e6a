#!/bin/sh
# The entrypoint of the redis image that make-test-image.sh makes: flags alone are flags of the server,
# which doesn't run as root, and talks to everybody on its network.
set -eu
case "${1-}" in -* | *.conf | '') set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ]; then
    set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ]; then
        chown -R redis:redis .
        exec su -s /bin/sh -c 'exec "$0" "$@"' -- redis "$@"
    fi
fi
exec "$@"
