# differs: tree /all/setuid: docker build keeps the bit; buildah takes it away
FROM local/busybox:1
COPY . /all
