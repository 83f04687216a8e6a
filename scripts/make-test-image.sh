#!/usr/bin/env bash
# Makes a docker-archive from Debian packages, without a registry and without Docker:
#
#   make-test-image.sh KIND OUT.tar [NAME:TAG]
#
# KIND is one of nginx, busybox, hello-world, python, redis, postgres, mariadb, wordpress, prometheus and
# node-exporter. They take the environment, ports, volumes and first-start scripts of the images that
# everybody knows by these names, as far as the samples use them; hello-world prints a greeting and ends.
#
# The dependency closure of the packages is unpacked without running any of their scripts. Needs apt,
# dpkg, tar and python3; root for the owners of files. Packages are kept in
# ${XDG_CACHE_HOME:-~/.cache}/davit-test-debs.
set -euo pipefail
export LC_ALL=C  # apt's answers are read

usage() { sed -n '2,12p' "$0" | cut -c3- >&2; exit 64; }
[ $# -ge 2 ] || usage
kind=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/davit-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
# /bin and /lib are /usr's, as on any machine today: newer packages come with files in /usr only.
for folder in bin sbin lib lib64; do
    mkdir -p "$root/usr/$folder"
    ln -s "usr/$folder" "$root/$folder"
done

# Unpacks PACKAGE... and all they depend on into $root.
unpack_packages() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/davit-test-debs
    local status=$work/status
    # An empty status file: nothing counts as installed, and essential packages are not dragged in.
    local apt=(apt-get -qq -y --no-install-recommends -o Debug::NoLocking=1
               -o Dir::State::status="$status" -o Dir::Cache::archives="$cache"
               -o APT::Sandbox::User=root)
    mkdir -p "$cache/partial"
    : > "$status"
    if ! apt-cache show "$1" >/dev/null 2>&1; then apt-get update -qq; fi
    "${apt[@]}" --download-only install "$@" >/dev/null
    "${apt[@]}" -s install "$@" |
        awk '/^Inst/ { gsub(/[(]/, "", $3); gsub(/:/, "%3a", $3); print $2 "_" $3 }' |
        while read -r package; do
            dpkg-deb --fsys-tarfile "$(find "$cache" -maxdepth 1 -name "${package}_*.deb" | head -n 1)" |
                tar -C "$root" -xp --keep-directory-symlink \
                    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
                    --exclude='./usr/share/locale/*' --exclude='./usr/share/i18n/*' \
                    --exclude='./usr/share/lintian*' --exclude='./usr/share/bash-completion*' \
                    --exclude='./usr/share/info/*' --exclude='./usr/share/perl*' \
                    --exclude='./usr/lib/*-linux-gnu/perl*' --exclude='*/gconv/*' \
                    --exclude='./usr/bin/perl*' --exclude='./lib/systemd/*' \
                    --exclude='./usr/include/*'
        done
}

# Folders and files that every image has, whatever its packages bring.
add_common_files() {
    local folder
    for folder in tmp run root proc sys dev etc bin var/log; do mkdir -p "$root/$folder"; done
    chmod 1777 "$root/tmp"
    [ -e "$root/var/run" ] || ln -s /run "$root/var/run"
    if [ -f "$root/usr/share/base-passwd/passwd.master" ]; then
        sed 's/:\*:/:x:/' "$root/usr/share/base-passwd/passwd.master" > "$root/etc/passwd"
        sed 's/:\*:/:x:/' "$root/usr/share/base-passwd/group.master" > "$root/etc/group"
    else
        echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
        echo 'root:x:0:' > "$root/etc/group"
    fi
    echo 'app:x:1000:1000::/home/app:/bin/sh' >> "$root/etc/passwd"
    echo 'app:x:1000:' >> "$root/etc/group"
    printf 'hosts: files dns\npasswd: files\ngroup: files\n' > "$root/etc/nsswitch.conf"
}

# Every busybox command that no package brings itself.
add_busybox_names() {
    local name folder taken
    for name in $("$root/bin/busybox" --list); do
        taken=no
        for folder in bin sbin usr/bin usr/sbin; do
            if [ -e "$root/$folder/$name" ] || [ -L "$root/$folder/$name" ]; then taken=yes; fi
        done
        [ "$taken" = yes ] || ln -s busybox "$root/bin/$name"
    done
}

# add_user NAME ID HOME: with a group of its own.
add_user() {
    echo "$1:x:$2:$2::$3:/bin/sh" >> "$root/etc/passwd"
    echo "$1:x:$2:" >> "$root/etc/group"
}

# add_entrypoint KIND: its entrypoint from scripts/images, under the name that official images give it.
add_entrypoint() {
    install -D -m 755 "$here/images/$1-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
}

# begin PACKAGE...: what an image with programs of Debian begins with.
begin() {
    unpack_packages "$@" base-passwd libc-bin busybox-static
    add_common_files
    add_busybox_names
}

# --- one recipe a kind: fills $root, and says in $name and $settings what the image is called and does.

recipe_nginx() {
    # Not every release has the small one.
    local server=nginx-light
    apt-cache show "$server" >/dev/null 2>&1 || server=nginx
    begin "$server"
    add_user nginx 101 /var/lib/nginx
    rm -f "$root/etc/nginx/sites-enabled/default"
    mkdir -p "$root/etc/nginx/conf.d" "$root/var/log/nginx" "$root/var/lib/nginx" \
        "$root/usr/share/nginx/html"
    cat > "$root/etc/nginx/conf.d/default.conf" <<'END'
server {
    listen 80 default_server;
    root /usr/share/nginx/html;
    location / { index index.html; }
}
END
    echo '<h1>Welcome to nginx!</h1>' > "$root/usr/share/nginx/html/index.html"
    ln -sf /dev/stdout "$root/var/log/nginx/access.log"
    ln -sf /dev/stderr "$root/var/log/nginx/error.log"
    name=davit/nginx:demo
    settings=(--cmd '["nginx","-g","daemon off;"]' --port 80/tcp --stopsignal SIGQUIT)
}

recipe_busybox() {
    unpack_packages busybox-static
    add_common_files
    add_busybox_names
    name=davit/busybox:demo
    settings=(--cmd '["sh"]')
}

recipe_hello-world() {
    unpack_packages busybox-static
    add_common_files
    cat > "$root/hello.txt" <<'END'

Hello from davit!
This message shows that your installation appears to be working correctly.

To generate this message, davit
 1. found the image in its store,
 2. made a container of it, with namespaces, a root file system and a network of its own,
 3. ran the program in it, and kept what it printed in a log, which you are reading.

END
    name=davit/hello-world:demo
    settings=(--cmd '["/bin/busybox","cat","/hello.txt"]')
}

recipe_python() {
    begin python3
    ln -s python3 "$root/usr/bin/python"
    name=python:3.11
    settings=(--cmd '["python3"]')
}

recipe_redis() {
    begin redis-server
    add_user redis 999 /data
    add_entrypoint redis
    install -d -o 999 -g 999 "$root/data"
    name=redis:7
    settings=(--entrypoint '["docker-entrypoint.sh"]' --cmd '["redis-server"]' --workdir /data
              --volume /data --port 6379/tcp)
}

recipe_postgres() {
    local programs
    begin postgresql
    add_user postgres 999 /var/lib/postgresql
    add_entrypoint postgres
    programs=$(echo "$root"/usr/lib/postgresql/*/bin)
    for program in "$programs"/*; do
        ln -sf "${program#"$root"}" "$root/usr/local/bin/${program##*/}"
    done
    mkdir -p "$root/docker-entrypoint-initdb.d"
    install -d -o 999 -g 999 "$root/var/lib/postgresql" "$root/var/lib/postgresql/data" \
        "$root/var/run/postgresql"
    # The interpreters and the compiler of queries are most of its size, and no sample's.
    rm -rf "$root"/usr/lib/*/libLLVM* "$root"/usr/lib/*/libz3.so* "$programs"/../lib/bitcode \
        "$programs"/../lib/llvmjit*
    name=postgres:15
    settings=(--entrypoint '["docker-entrypoint.sh"]' --cmd '["postgres"]' --stopsignal SIGINT
              --env PGDATA=/var/lib/postgresql/data --env LANG=C.UTF-8
              --volume /var/lib/postgresql/data --port 5432/tcp)
}

recipe_mariadb() {
    begin mariadb-server
    add_user mysql 999 /var/lib/mysql
    add_entrypoint mariadb
    mkdir -p "$root/docker-entrypoint-initdb.d"
    install -d -o 999 -g 999 "$root/var/lib/mysql" "$root/run/mysqld"
    # Debian's settings bind to 127.0.0.1 and write into files.
    printf '[mariadbd]\nuser = mysql\nskip-name-resolve\nskip-host-cache\n' > "$root/etc/mysql/my.cnf"
    name=mariadb:10.11
    settings=(--entrypoint '["docker-entrypoint.sh"]' --cmd '["mariadbd"]'
              --volume /var/lib/mysql --port 3306/tcp)
}

recipe_wordpress() {
    begin wordpress wordpress-theme-twentytwentythree php-cli php-mysql
    add_user www-data 33 /var/www
    add_entrypoint wordpress
    mkdir -p "$root/usr/src" "$root/var/www/html"
    # Links of the package lead to other packages' folders: the copy has the files themselves. What its
    # scripts would have made is missing.
    find -L "$root/usr/share/wordpress" -type l -delete
    cp -aL "$root/usr/share/wordpress" "$root/usr/src/wordpress"
    cp "$here/images/wordpress-config.php" "$root/usr/src/wordpress/wp-config.php"
    enable_php_extensions
    name=wordpress:6.1
    settings=(--entrypoint '["docker-entrypoint.sh"]' --workdir /var/www/html --volume /var/www/html
              --cmd '["php","-S","0.0.0.0:80","-t","/var/www/html"]'
              --env PHP_CLI_SERVER_WORKERS=4 --port 80/tcp)
}

# What the packages' own scripts would do. An extension says itself how early it must be loaded.
enable_php_extensions() {
    local extension priority folder
    ln -sf "$(basename "$(find "$root/usr/bin" -name 'php[0-9]*' | head -n 1)")" "$root/usr/bin/php"
    for extension in "$root"/usr/share/php[0-9]*/*/*.ini; do
        priority=$(sed -n 's/^; *priority=//p' "$extension")
        for folder in "$root"/etc/php/*/cli/conf.d; do
            cp "$extension" "$folder/${priority:-20}-${extension##*/}"
        done
    done
}

recipe_prometheus() {
    begin prometheus
    install -d -o 65534 -g 65534 "$root/prometheus"
    name=prom/prometheus:v2.42.0
    settings=(--entrypoint '["/usr/bin/prometheus"]' --user nobody --workdir /prometheus --volume /prometheus
              --cmd '["--config.file=/etc/prometheus/prometheus.yml","--storage.tsdb.path=/prometheus"]'
              --port 9090/tcp)
}

recipe_node-exporter() {
    begin prometheus-node-exporter
    name=prom/node-exporter:v1.5.0
    settings=(--entrypoint '["/usr/bin/prometheus-node-exporter"]' --user nobody --port 9100/tcp)
}

declare -F "recipe_$kind" >/dev/null || usage
"recipe_$kind"
name=${3:-$name}

tar --sort=name --mtime=@1700000000 --numeric-owner --format=gnu -C "$root" -cf "$work/layer.tar" .
mkdir -p "$(dirname "$out")"
# Made beside its place and moved there: an image that is there is whole.
python3 "$here/make_archive.py" docker "$out.part" "$name" "$work/layer.tar" "${settings[@]}"
mv "$out.part" "$out"
