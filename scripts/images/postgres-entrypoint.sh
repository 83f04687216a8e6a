#!/bin/sh
# The entrypoint of the postgres image that make-test-image.sh makes. On the first start it makes the
# cluster with POSTGRES_USER, POSTGRES_PASSWORD (or …_FILE) and POSTGRES_DB, and runs what lies in
# /docker-entrypoint-initdb.d, as the official image does.
set -eu

if [ "${1#-}" != "$1" ]; then set -- postgres "$@"; fi
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres:postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    exec su -s /bin/sh -c 'exec docker-entrypoint.sh "$0" "$@"' -- postgres "$@"
fi

# value_of NAME: of the variable, or of the file that NAME_FILE names.
value_of() {
    value='' file=''
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$file" ]; then cat "$file"; else printf '%s' "$value"; fi
}

run_first_start_scripts() {
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh) echo "running $script"; sh "$script" ;;
            *.sql) echo "running $script"; psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$user" -d "$database" -f "$script" ;;
        esac
    done
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(value_of POSTGRES_USER)
    user=${user:-postgres}
    database=$(value_of POSTGRES_DB)
    database=${database:-$user}
    value_of POSTGRES_PASSWORD > /tmp/password
    if [ ! -s /tmp/password ]; then
        echo "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE: a database needs a password" >&2
        exit 1
    fi
    initdb -D "$PGDATA" -U "$user" --pwfile /tmp/password --auth-local trust --auth-host scram-sha-256 >/dev/null
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    # Without a port: nobody takes it for ready before its scripts have run.
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start >/dev/null
    [ "$database" = postgres ] || psql -q -U "$user" -d postgres -c "create database \"$database\""
    run_first_start_scripts
    pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
    echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@" -c listen_addresses='*'
