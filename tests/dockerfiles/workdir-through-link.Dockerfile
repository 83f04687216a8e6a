FROM local/busybox:1
RUN mkdir -p /real/place && ln -s /real /link
WORKDIR /link/place
RUN echo x > here
COPY a1.txt here-too
