# build: --build-arg NAME=given --build-arg LATER=later
FROM local/busybox:1
ARG NAME=fallback
ARG LATER
RUN echo $NAME $LATER > /name
LABEL name=$NAME later=${LATER}
