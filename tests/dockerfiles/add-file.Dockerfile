FROM local/busybox:1
ADD a1.txt /a
ADD app /app
ADD --chown=3:4 a2.txt b1.txt /many/
