FROM local/busybox:1
RUN mkdir -p /keep/gone && echo 1 > /keep/gone/file && echo 2 > /keep/stays && echo 3 > /single
RUN rm -r /keep/gone /single /etc/group
