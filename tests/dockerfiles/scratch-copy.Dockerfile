FROM scratch
COPY app /app
COPY a1.txt /
