FRM a
RUN echo
