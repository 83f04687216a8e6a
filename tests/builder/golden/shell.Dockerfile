FROM a
SHELL bash -c
CMD ['a', 'b']
RUN []
ENTRYPOINT [1]
