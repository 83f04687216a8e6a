FROM local/busybox:1
ENV A=1
RUN echo x > /x
