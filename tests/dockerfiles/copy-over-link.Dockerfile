FROM local/busybox:1
RUN mkdir /real && echo t > /target && ln -s /real /folder && ln -s /target /file
COPY a1.txt /folder/
COPY app/lib /folder/lib
