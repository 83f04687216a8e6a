FROM local/busybox:1
ARG A=1
ARG B=$A.2
LABEL b=$B
