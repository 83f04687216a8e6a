FROM local/busybox:1
RUN dd if=/dev/zero of=/zeros bs=1k count=3000 2>/dev/null && truncate -s 1M /sparse
