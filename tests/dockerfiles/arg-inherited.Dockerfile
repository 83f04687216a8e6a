# differs: tree /x: as BuildKit, davit hands ARGs of a stage to stages that begin with it
FROM local/busybox:1 AS one
ARG X=of-one
FROM one
RUN echo "[$X]" > /x
