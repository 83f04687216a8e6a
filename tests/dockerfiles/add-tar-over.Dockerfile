FROM local/busybox:1
RUN mkdir -p /into/in && echo old > /into/in/file && echo kept > /into/kept
ADD archive.tar /into
