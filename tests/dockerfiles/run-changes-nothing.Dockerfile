FROM local/busybox:1 AS quiet
RUN true
RUN cat /etc/passwd > /dev/null
RUN id
COPY a1.txt /plain
FROM quiet
RUN true
COPY --from=quiet /plain /again
