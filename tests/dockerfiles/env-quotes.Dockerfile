FROM local/busybox:1
ENV A="two words" B='single $A' C=back\ slash D="in \"quotes\"" E=x"y"z
RUN env | grep '^[A-E]=' | sort > /env
