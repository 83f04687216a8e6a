# differs: config ExposedPorts: docker build writes protocols in small letters; buildah as they stand
FROM local/busybox:1
ARG PORT=9000
EXPOSE 80 81/TCP $PORT 53/udp
