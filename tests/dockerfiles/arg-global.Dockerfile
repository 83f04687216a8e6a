# build: --build-arg BASE=local/busybox
ARG BASE=nothing
ARG TAG=1
FROM $BASE:${TAG}
RUN echo "[$BASE][$TAG]" > /hidden
ARG TAG
RUN echo "[$TAG]" > /seen
