FROM local/busybox:1
ENV PATH=/opt/bin:$PATH
RUN mkdir -p /opt/bin && printf '#!/bin/sh\necho mine > /mine\n' > /opt/bin/own && chmod 755 /opt/bin/own
RUN own
