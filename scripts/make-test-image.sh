#!/usr/bin/env bash
# Makes a docker-archive from Debian packages, without a registry and without Docker:
#
#   make-test-image.sh nginx       OUT.tar [NAME:TAG]    nginx, as its official image runs it
#   make-test-image.sh busybox     OUT.tar [NAME:TAG]    busybox with all its names
#   make-test-image.sh hello-world OUT.tar [NAME:TAG]    prints a greeting and ends
#
# The dependency closure of the packages is unpacked without running any of their scripts. Needs apt,
# dpkg, tar and python3; root for the owners of files. Packages are kept in
# ${XDG_CACHE_HOME:-~/.cache}/davit-test-debs.
set -euo pipefail
export LC_ALL=C  # apt's answers are read

usage() { sed -n '2,11p' "$0" | cut -c3- >&2; exit 64; }
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

case "$kind" in
    nginx)
        name=${3:-davit/nginx:demo}
        # Not every release has the small one.
        server=nginx-light
        apt-cache show "$server" >/dev/null 2>&1 || server=nginx
        unpack_packages "$server" base-passwd libc-bin busybox-static
        add_common_files
        add_busybox_names
        echo 'nginx:x:101:101:nginx:/var/lib/nginx:/usr/sbin/nologin' >> "$root/etc/passwd"
        echo 'nginx:x:101:' >> "$root/etc/group"
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
        settings=(--cmd '["nginx","-g","daemon off;"]' --port 80/tcp --stopsignal SIGQUIT)
        ;;
    busybox)
        name=${3:-davit/busybox:demo}
        unpack_packages busybox-static
        add_common_files
        add_busybox_names
        settings=(--cmd '["sh"]')
        ;;
    hello-world)
        name=${3:-davit/hello-world:demo}
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
        settings=(--cmd '["/bin/busybox","cat","/hello.txt"]')
        ;;
    *) usage ;;
esac

tar --sort=name --mtime=@1700000000 --numeric-owner --format=gnu -C "$root" -cf "$work/layer.tar" .
mkdir -p "$(dirname "$out")"
# Made beside its place and moved there: an image that is there is whole.
python3 "$here/make_archive.py" docker "$out.part" "$name" "$work/layer.tar" "${settings[@]}"
mv "$out.part" "$out"
