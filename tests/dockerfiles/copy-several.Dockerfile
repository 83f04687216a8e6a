FROM local/busybox:1
COPY a1.txt a2.txt app/main.txt /into/
