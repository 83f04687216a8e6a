FROM local/busybox:1
LABEL first=1 \
# a comment among them
      second=2

LABEL third=3
