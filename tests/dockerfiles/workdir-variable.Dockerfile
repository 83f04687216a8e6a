FROM local/busybox:1
ENV DIR=/opt/app
WORKDIR $DIR/sub
COPY a1.txt .
COPY a2.txt ./renamed.txt
