# escape=`
# differs: config Env: with another escape character docker build leaves backslashes alone; buildah takes them away
FROM local/busybox:1
RUN echo one `
    two > /x
ENV A=back\slash
