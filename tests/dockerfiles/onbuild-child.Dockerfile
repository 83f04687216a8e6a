FROM local/case-onbuild-base:1
RUN cat /triggered /copied > /both
