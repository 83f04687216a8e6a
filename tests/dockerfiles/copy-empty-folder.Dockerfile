FROM local/busybox:1
COPY empty /empty
COPY nested /nested
