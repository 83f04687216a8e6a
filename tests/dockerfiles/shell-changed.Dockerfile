# differs: config Cmd: SHELL holds for CMD too, as the reference says; buildah 1.28 uses /bin/sh
# differs: config Entrypoint: SHELL holds for ENTRYPOINT too; buildah 1.28 uses /bin/sh
FROM local/busybox:1
SHELL ["/bin/sh", "-e", "-c"]
RUN false || echo failed > /said
CMD echo hi
ENTRYPOINT echo entry
