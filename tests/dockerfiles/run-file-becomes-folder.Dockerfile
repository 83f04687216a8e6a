FROM local/busybox:1
RUN echo x > /thing; mkdir /other; ln -s /etc /third
RUN rm /thing && mkdir /thing && touch /thing/in; rmdir /other && echo file > /other; rm /third && mkdir /third
