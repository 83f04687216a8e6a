FROM local/busybox:1
ADD archive.tar /plain
ADD archive.tar.gz /packed/
ADD archive.tar.xz /xz/
ADD archive.tar.bz2 /bzip2/
