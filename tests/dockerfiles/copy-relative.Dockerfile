FROM local/busybox:1
WORKDIR /w
COPY a1.txt .
COPY a2.txt sub/
COPY app ./app
COPY b1.txt ../up
