FROM local/busybox:1
RUN mkdir -m 700 /kept && chown 1000:1000 /kept
WORKDIR /kept
WORKDIR /kept/below
