FROM local/busybox:1
RUN echo shell > /shell
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN echo one && \
    echo two > /two && \
# a comment
    echo three > /three
