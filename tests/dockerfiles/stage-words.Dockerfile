FROM local/busybox:1 AS base
ENV A=base
WORKDIR /base
USER 7
LABEL l=base
CMD ["base"]
FROM base
ENV B=$A.child
USER 0
RUN pwd > /where; echo $A $B > /vars
