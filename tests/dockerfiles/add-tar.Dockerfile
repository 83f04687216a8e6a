FROM local/busybox:1
ADD archive.tar /plain
ADD archive.tar.gz /packed/
