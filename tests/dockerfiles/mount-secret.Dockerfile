# build: --secret id=token,src=a1.txt
FROM local/busybox:1
RUN --mount=type=secret,id=token cp /run/secrets/token /got && chmod 644 /got
RUN --mount=type=secret,id=token,target=/tok,mode=0444 cat /tok > /got2
