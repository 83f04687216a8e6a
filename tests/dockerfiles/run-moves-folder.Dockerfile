FROM local/busybox:1
RUN mkdir -p /from/deep && echo x > /from/deep/file
RUN mv /from /to && mkdir /from
