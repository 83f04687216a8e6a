#!/bin/sh
# The entrypoint of the wordpress image that make-test-image.sh makes: the first start fills the folder
# that is served, which is a volume.
set -eu
if [ ! -e /var/www/html/index.php ]; then
    echo "WordPress not found in /var/www/html - copying now..."
    cp -a /usr/src/wordpress/. /var/www/html/
fi
exec "$@"
