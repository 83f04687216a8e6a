FROM local/busybox:1
COPY --chown=12:34 app /app
COPY --chown=56 a1.txt /single
COPY --chown=7:8 a2.txt /new/folder/
