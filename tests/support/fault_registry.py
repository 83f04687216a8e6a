#!/usr/bin/env python3
"""A registry that goes wrong on purpose: fault_registry.py FOLDER [PEM [old]]

With PEM, a file with certificate and key, it speaks https; with "old" TLS 1.1 at most.

Serves FOLDER/manifests/TAG-or-DIGEST and FOLDER/blobs/HEX under /v2/any/path, on a port of 127.0.0.1
that it writes to FOLDER/port. FOLDER/faults.json is read anew for each request: a list of
{"path": REGEX, "method": "GET", "times": N (default: always), "skip": N, "do": WHAT, …}:
  status   answer "code" with "headers" and "body"
  reset    break the connection after "after" bytes of the body
  stall    say nothing more after "after" bytes
  drip     say "after" bytes, then a byte each "every" seconds
  type     manifests have the Content-Type "type"
  extra    "bytes" more than there are; "nolength": without Content-Length
  flip     one byte of the body is another
  whole    no ranges: 200 with everything
  redirect to "to"
It takes what is pushed, without asking who pushes.
FOLDER/auth.json: {"user": U, "password": P, "uses": N}: a token of /token is asked for, good for N
requests; "never": no token is ever good. As a proxy it answers for every host. Every request is a line of FOLDER/log: method, path, range, authorization."""
import base64
import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time

root = sys.argv[1]
counts = {}
tokens = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def fault(self):
        try:
            faults = json.load(open(root + "/faults.json", encoding="utf-8"))
        except FileNotFoundError:
            return None
        for fault in faults:
            if not re.search(fault["path"], self.path) or fault.get("method", self.command) != self.command:
                continue
            key = json.dumps(fault, sort_keys=True)
            with lock:
                counts[key] = counts.get(key, 0) + 1
                number = counts[key] - fault.get("skip", 0)
            if 0 < number <= fault.get("times", 1 << 30):
                return fault
        return None

    def answer(self, code, headers, body=b""):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def may_pass(self):
        try:
            auth = json.load(open(root + "/auth.json", encoding="utf-8"))
        except FileNotFoundError:
            return True
        if self.path.startswith("/token"):
            wanted = "Basic " + base64.b64encode(f"{auth['user']}:{auth['password']}".encode()).decode()
            if self.headers.get("Authorization") != wanted:
                self.answer(401, {}, b'{"details": "wrong password"}')
                return False
            token = "t" + str(len(tokens))
            tokens[token] = auth.get("uses", 1 << 30)
            self.answer(200, {}, json.dumps({"token": token}).encode())
            return False
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if tokens.get(token, 0) > 0 and not auth.get("never"):
            tokens[token] -= 1
            return True
        realm = f'Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="s",scope="x"'
        self.answer(401, {"WWW-Authenticate": realm}, b'{"errors": [{"message": "who are you"}]}')
        return False

    def do_GET(self):
        with lock, open(root + "/log", "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Range', '-')} "
                      f"{self.headers.get('Authorization', '-')}\n")
        fault = self.fault() or {}
        what = fault.get("do")
        if what == "status":
            return self.answer(fault["code"], fault.get("headers", {}), fault.get("body", "").encode())
        if what == "redirect":
            return self.answer(307, {"Location": fault["to"]})
        if not self.may_pass():
            return None
        if self.path == "/v2/":
            return self.answer(200, {})
        found = re.search(r"/(manifests|blobs)/(?:sha(?:256|512):)?([^/?]+)$", self.path)
        if not found or not os.path.exists(f"{root}/{found[1]}/{found[2]}"):
            return self.answer(404, {}, b'{"errors": [{"code": "UNKNOWN", "message": "not known here"}]}')
        body = open(f"{root}/{found[1]}/{found[2]}", "rb").read()
        headers, code, begin = {}, 200, 0
        if found[1] == "manifests":
            headers["Content-Type"] = json.loads(body).get("mediaType", "application/json") \
                if body[:1] == b"{" else "application/json"
            if what == "type":
                headers["Content-Type"] = fault["type"]
            headers["Docker-Content-Digest"] = "sha256:" + hashlib.sha256(body).hexdigest()
        ranged = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if ranged and what != "whole":
            begin, code = int(ranged[1]), 206
            headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        body = body[begin:]
        if what == "flip":
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]
        if what == "extra":
            body += b"x" * fault["bytes"]
        if what == "nolength":
            self.close_connection = True
            self.send_response(code)
            self.send_header("Connection", "close")
            self.end_headers()
            return self.wfile.write(body)
        # A shorter body is all there: its connection may be used again, which must not stall then.
        if what in ("reset", "stall", "drip") and len(body) > fault["after"]:
            self.close_connection = True
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:fault["after"]])
            self.wfile.flush()
            if what == "stall":
                time.sleep(fault.get("seconds", 30))
            for byte in body[fault["after"]:] if what == "drip" else b"":
                time.sleep(fault["every"])
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return self.connection.close()
        return self.answer(code, headers, body)

    do_HEAD = do_GET

    def do_POST(self):
        self.take()

    def do_PUT(self):
        self.take()

    def take(self):
        """What is pushed: an upload in one piece, then the manifest."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with lock, open(root + "/log", "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} - {self.headers.get('Authorization', '-')}\n")
        if self.command == "POST":
            return self.answer(202, {"Location": self.path + "1"})
        found = re.search(r"/(manifests)/([^/?]+)$|/(blobs)/uploads/1\?digest=sha256:([0-9a-f]+)$", self.path)
        if not found:
            return self.answer(404, {})
        name = f"{found[1]}/{found[2]}" if found[1] else f"{found[3]}/{found[4]}"
        with open(f"{root}/{name}", "wb") as file:
            file.write(body)
        return self.answer(201, {})

    def finish(self):
        try:
            super().finish()
        except (OSError, ValueError):
            pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2 and sys.argv[2]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if sys.argv[3:] == ["old"]:
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    tls.load_cert_chain(sys.argv[2])
    # Not while accepting: one client that says nothing would keep all others waiting.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
with open(root + "/port.new", "w", encoding="utf-8") as port:
    port.write(str(server.server_port))
os.rename(root + "/port.new", root + "/port")
server.serve_forever()
