FROM local/busybox:1
ONBUILD RUN echo triggered > /triggered
ONBUILD COPY a1.txt /copied
ONBUILD ENV FROM_TRIGGER=1
