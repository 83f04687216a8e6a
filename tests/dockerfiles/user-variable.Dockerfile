FROM local/busybox:1
ARG WHO=12
USER $WHO
RUN id -u > /tmp/uid
