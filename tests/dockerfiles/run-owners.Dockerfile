FROM local/busybox:1
RUN mkdir -p /o/in && touch /o/in/file && chown -R 12:34 /o && chown 56 /o/in/file && ln -s x /o/link && chown -h 7:8 /o/link
RUN chown 1:1 /o
