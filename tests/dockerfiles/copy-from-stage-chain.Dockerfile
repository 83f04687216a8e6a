FROM local/busybox:1 AS a
RUN echo a > /a
FROM a AS b
RUN echo b > /b
FROM b AS c
RUN rm /a && echo c > /c
FROM scratch
COPY --from=c /b /c /
COPY --from=a /a /a
