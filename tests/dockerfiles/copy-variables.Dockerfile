FROM local/busybox:1
ARG SRC=a1.txt
ENV DST=/dst
COPY $SRC ${DST}/$SRC
