FROM local/nginx:1
WORKDIR /usr/share/nginx/html
RUN echo "This is my first image base nginx!" > index.html
