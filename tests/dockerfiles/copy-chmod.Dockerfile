FROM local/busybox:1
COPY --chmod=640 a1.txt /a
COPY --chmod=0755 --chown=1:2 a2.txt /b
