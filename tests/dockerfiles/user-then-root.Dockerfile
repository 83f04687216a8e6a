FROM local/busybox:1
RUN mkdir -m 1777 /shared
USER 1000
RUN touch /shared/user
USER root
RUN touch /shared/root
USER 1000:1000
