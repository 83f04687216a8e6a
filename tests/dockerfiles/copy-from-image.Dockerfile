FROM scratch
COPY --from=local/busybox:1 /etc/passwd /etc/
COPY --from=local/busybox:1 /bin/busybox /bin/sh
