FROM local/busybox:1 AS one
ARG X=of-one
RUN echo "$X" > /one
FROM local/busybox:1
RUN echo "[$X]" > /two
COPY --from=one /one /one
