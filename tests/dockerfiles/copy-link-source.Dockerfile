FROM local/busybox:1
COPY app/link /followed
COPY app/folder-link /folder
