FROM local/busybox:1
MAINTAINER Some Body <body@example.com>
