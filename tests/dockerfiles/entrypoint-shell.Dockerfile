FROM local/busybox:1
ENTRYPOINT exec sleep 1
