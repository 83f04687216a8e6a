FROM local/busybox:1
ENV A=outer
RUN A=inner; echo $A > /inner; echo "${A}" '$A' \$A >> /inner
