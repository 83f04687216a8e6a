FROM local/busybox:1
COPY . /all
