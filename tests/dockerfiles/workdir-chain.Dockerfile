FROM local/busybox:1
WORKDIR /a
WORKDIR b
WORKDIR ../c
RUN pwd > where
