FROM local/busybox:1
RUN n=$(printf 'x%.0s' $(seq 1 200)); mkdir -p /long/$n/$n && echo deep > /long/$n/$n/$n && ln -s $n/$n/$n /long/link
