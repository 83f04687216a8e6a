FROM local/busybox:1
RUN echo 'worker:x:500:600::/:/bin/sh' >> /etc/passwd; echo 'staff:x:700:' >> /etc/group
COPY --chown=worker:staff a1.txt /a
COPY --chown=worker a2.txt /b
