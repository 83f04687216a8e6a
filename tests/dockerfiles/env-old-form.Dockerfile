FROM local/busybox:1
ENV GREETING hello there   you
ENV NEXT ${GREETING}!
