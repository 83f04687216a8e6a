FROM local/busybox:1

   # an indented comment
	RUN echo tab > /tab
RUN echo a \

    b > /ab
