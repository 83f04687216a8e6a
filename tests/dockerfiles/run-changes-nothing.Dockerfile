FROM local/busybox:1
RUN true
RUN cat /etc/passwd > /dev/null
