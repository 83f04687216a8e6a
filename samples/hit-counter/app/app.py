"""Counts visits in Redis. Python's own library is enough: nothing has to be installed in the image."""
import http.server
import os
import socket


def increment(key):
    """INCR key, in the protocol of Redis."""
    with socket.create_connection((os.environ["REDIS_HOST"], 6379), timeout=5) as redis:
        redis.sendall(f"*2\r\n$4\r\nINCR\r\n${len(key)}\r\n{key}\r\n".encode())
        answer = redis.makefile("rb").readline().decode().strip()
    if not answer.startswith(":"):
        raise OSError(f"redis says {answer}")
    return int(answer[1:])


class Counter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"Hello World! I have been seen {increment('hits')} times.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", 5000), Counter).serve_forever()
