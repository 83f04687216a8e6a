# build: --build-arg X=argument
# differs: tree /x: as BuildKit, davit lets an ARG win that comes after ENV
# differs: config Labels: as BuildKit, davit lets an ARG win that comes after ENV
FROM local/busybox:1
ENV X=environment
ARG X
RUN echo "$X" > /x
LABEL x=$X
