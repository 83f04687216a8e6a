#!/bin/sh
# Makes tls/key.pem and tls/certificate.pem, self-signed, for 'localhost' and the name that is given.
set -eu
cd "$(dirname "$0")"
name=${1:-localhost}
umask 077
mkdir -p tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
    -subj "/CN=$name" -addext "subjectAltName=DNS:$name,DNS:localhost" \
    -keyout tls/key.pem -out tls/certificate.pem
