FROM local/busybox:1 AS other
RUN mkdir /o && echo other > /o/file
FROM local/busybox:1
RUN --mount=type=bind,source=app,target=/app cat /app/main.txt > /main
RUN --mount=type=bind,from=other,source=/o,target=/o cat /o/file > /file
