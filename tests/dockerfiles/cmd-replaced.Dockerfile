FROM local/busybox:1
CMD ["first"]
CMD ["second"]
