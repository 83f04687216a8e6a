FROM local/busybox:1
ADD archive.tar* /un/
