FROM local/busybox:1
CMD ["kept"]
ENTRYPOINT ["/bin/echo"]
