FROM a
ENV --x A=b
WORKDIR --y /
RUN --mont=type=cache,target=/a x
