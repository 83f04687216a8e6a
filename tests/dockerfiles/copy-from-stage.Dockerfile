FROM local/busybox:1 AS make
RUN mkdir -p /out/sub && echo x > /out/sub/x && chown -R 5:6 /out && chmod 750 /out/sub && ln -s sub/x /out/link && echo y > /out/y
FROM local/busybox:1
COPY --from=make /out /in
COPY --from=0 /out/y /y
COPY --from=make --chown=9:9 /out/sub/x /owned
