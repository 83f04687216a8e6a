FROM local/busybox:1
LABEL maintainer=somebody version="1.0"
ENV MODE=production PORT=80
EXPOSE 80 443/tcp 53/udp
VOLUME /data
WORKDIR /srv
USER 1000:1000
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=2s --retries=4 CMD ["true"]
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "echo hi"]
