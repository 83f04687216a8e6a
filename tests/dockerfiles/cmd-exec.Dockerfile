FROM local/busybox:1
CMD ["echo", "$HOME", "a b"]
