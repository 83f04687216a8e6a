FROM local/busybox:1
ENTRYPOINT ["/bin/echo"]
