FROM local/busybox:1
RUN mkdir -m 777 /out
USER 1234:4321
RUN id -u > /out/uid && id -g > /out/gid
