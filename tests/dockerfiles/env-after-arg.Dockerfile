# build: --build-arg X=argument
FROM local/busybox:1
ARG X
ENV X=$X.environment
RUN echo "$X" > /x
LABEL x=$X
