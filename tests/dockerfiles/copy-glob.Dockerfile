FROM local/busybox:1
COPY a*.txt /globbed/
COPY ?1.txt /question/
COPY [ab]1.txt /set/
