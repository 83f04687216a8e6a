# differs: tree /m/setuid: docker build keeps the bit; buildah takes it away
FROM local/busybox:1
COPY script.sh private setuid /m/
COPY closed /closed
