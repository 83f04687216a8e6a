FROM local/busybox:1
LABEL a=1 b="two words" "c.d"=3
LABEL long="first \
second" \
      other=x
LABEL a=replaced
