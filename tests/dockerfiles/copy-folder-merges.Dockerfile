FROM local/busybox:1
RUN mkdir -p /app/lib && echo old > /app/lib/a.txt && echo mine > /app/mine && chmod 700 /app
COPY app /app
