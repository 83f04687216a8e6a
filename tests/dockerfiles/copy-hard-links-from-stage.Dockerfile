FROM local/busybox:1 AS make
RUN mkdir /h && echo x > /h/one && ln /h/one /h/two
FROM scratch
COPY --from=make /h /h
