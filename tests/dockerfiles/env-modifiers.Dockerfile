FROM local/busybox:1
ENV SET=value EMPTY=
ENV A=${SET:-no} B=${UNSET:-fallback} C=${EMPTY:-fallback} D=${SET:+alternative} E=${UNSET:+no} F=${UNSET}
LABEL a=$A b=$B c=$C d=$D e=$E f=$F g=\$SET h=${SET}tail
