FROM local/busybox:1 AS pages
RUN mkdir /site && for n in 1 2 3; do echo "<p>$n</p>" > /site/$n.html; done
FROM local/nginx:1
COPY --from=pages /site/ /usr/share/nginx/html/
COPY app/main.txt /usr/share/nginx/html/main.txt
EXPOSE 8080
