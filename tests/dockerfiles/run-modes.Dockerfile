FROM local/busybox:1
RUN umask > /umask; touch /plain; mkdir /folder; mkdir -m 1777 /sticky; touch /setuid && chmod 4755 /setuid; mkfifo -m 640 /pipe
