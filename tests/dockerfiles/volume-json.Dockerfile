# differs: tree /a: VOLUME is a word of the configuration alone; buildah makes the folder
# differs: tree /b: VOLUME is a word of the configuration alone; buildah makes the folder
FROM local/busybox:1
VOLUME ["/data", "/with blank"]
VOLUME /a /b
