FROM local/busybox:1
RUN mkdir /data && echo before > /data/before
VOLUME /data
