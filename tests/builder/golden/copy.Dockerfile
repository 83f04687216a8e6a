FROM a
COPY a
COPY a b c
COPY ["a", 1]
COPY --form=x a b
COPY --from=$X a b
ADD --from=x a b
COPY --link=maybe a b
COPY --chown a b
