#!/bin/sh
# The entrypoint of the mariadb image that make-test-image.sh makes. On the first start it makes the
# tables of the server, and MARIADB_DATABASE with MARIADB_USER and MARIADB_PASSWORD; root's password is
# MARIADB_ROOT_PASSWORD, or a random one. Then it runs what lies in /docker-entrypoint-initdb.d.
set -eu
if [ "${1#-}" != "$1" ]; then set -- mariadbd "$@"; fi
[ "$1" = mariadbd ] || exec "$@"

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock
mkdir -p "$data" /run/mysqld
chown -R mysql:mysql "$data" /run/mysqld

first_statements() {
    root_password=${MARIADB_ROOT_PASSWORD:-$(head -c 18 /dev/urandom | base64)}
    echo "ALTER USER root@localhost IDENTIFIED BY '$root_password';"
    echo "CREATE USER healthcheck@localhost;"
    if [ -n "${MARIADB_DATABASE:-}" ]; then echo "CREATE DATABASE \`$MARIADB_DATABASE\`;"; fi
    if [ -n "${MARIADB_USER:-}" ]; then
        echo "CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '${MARIADB_PASSWORD:-}';"
        echo "GRANT ALL ON \`${MARIADB_DATABASE:-%}\`.* TO '$MARIADB_USER'@'%';"
    fi
    for script in /docker-entrypoint-initdb.d/*.sql; do
        if [ -f "$script" ]; then
            echo "USE \`${MARIADB_DATABASE:-mysql}\`;"
            cat "$script"
        fi
    done
}

if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --user=mysql --skip-test-db --skip-name-resolve >/dev/null
    # Without a port: nobody takes it for ready before its statements have run.
    mariadbd --skip-networking --socket="$socket" &
    until mariadb-admin --socket="$socket" ping >/dev/null 2>&1; do sleep 0.2; done
    first_statements | mariadb --socket="$socket"
    kill $!
    wait $! || true
fi
exec "$@" --socket="$socket"
