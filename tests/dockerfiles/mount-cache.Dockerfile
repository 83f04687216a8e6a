FROM local/busybox:1
RUN --mount=type=cache,target=/cache echo x > /cache/x && echo y > /y
RUN --mount=type=cache,target=/cache cat /cache/x > /z
