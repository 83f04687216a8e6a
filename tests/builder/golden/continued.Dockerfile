FROM a
RUN --mount=type=cache \
    # a comment
    --mount=type=bnd,target=/a \

    --netwrok=none \
    make
