FROM local/busybox:1
COPY a1.txt /renamed
COPY a1.txt /folder/
COPY a1.txt /deep/er/renamed
