FROM local/busybox:1
COPY app /app
COPY app/ /app2/
COPY app/lib/. /app3
