ARG A
RUN echo
COPY a b
FROM a
