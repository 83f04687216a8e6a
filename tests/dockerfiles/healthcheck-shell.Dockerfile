FROM local/busybox:1
HEALTHCHECK --interval=1m30s --timeout=10s --start-period=5s --retries=2 CMD wget -q localhost || exit 1
