FROM scratch
ENV A=1
LABEL only=words
CMD ["/none"]
