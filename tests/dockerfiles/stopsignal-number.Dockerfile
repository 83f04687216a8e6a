FROM local/busybox:1
STOPSIGNAL 9
