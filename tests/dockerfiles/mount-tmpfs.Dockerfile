FROM local/busybox:1
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x && ls /scratch > /seen
