FROM local/busybox:1
COPY ["with blank.txt", "a1.txt", "/in to/"]
