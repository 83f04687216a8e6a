FROM local/busybox:1
RUN echo x > /file; ln /file /hard; mkdir /d; ln /file /d/third; ln -s /file /soft; ln -s ../file /d/relative; ln -s /none /broken
