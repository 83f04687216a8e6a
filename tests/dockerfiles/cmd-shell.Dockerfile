FROM local/busybox:1
CMD echo $HOME && sleep 1
