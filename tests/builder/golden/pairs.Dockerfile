FROM a
ENV A
ENV A=1 B
ENV =1
LABEL a="b c" d
ARG =x
