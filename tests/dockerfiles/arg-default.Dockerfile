FROM local/busybox:1
ARG NAME=fallback
RUN echo $NAME > /name
ENV KEPT=$NAME
