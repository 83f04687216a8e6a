# build: --build-arg X=argument
FROM local/busybox:1
ENV X=environment
ARG X
RUN echo "$X" > /x
LABEL x=$X
