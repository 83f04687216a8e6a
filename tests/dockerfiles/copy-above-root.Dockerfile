FROM local/busybox:1
COPY ../../a1.txt /x
COPY a2.txt /../../y
