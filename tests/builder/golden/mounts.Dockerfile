FROM a
RUN --mount=target=/a,sorce=b x
RUN --mount=type=cache,target=/a,mode=xyz x
RUN --network=hots x
RUN --security=all x
