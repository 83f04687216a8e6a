FROM local/busybox:1
RUN mkdir -p /d/old && echo old > /d/old/file
RUN rm -r /d && mkdir -p /d/new && echo new > /d/new/file
