FROM local/busybox:1
RUN mkdir /m && touch /m/file
RUN chmod 600 /m/file && chmod 711 /m
