FROM local/busybox:1
RUN echo long content of old > /x && chmod 777 /x
COPY a1.txt /x
