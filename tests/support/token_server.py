#!/usr/bin/env python3
"""Tokens for docker-registry: token_server.py KEY CERTIFICATE PORT

Answers on 127.0.0.1 as "Docker Registry v2 authentication" has it. Who gives no password may pull
public/*; bob with the password "secret" may do what he asks for. Signs with openssl (RS256)."""
import base64
import hashlib
import http.server
import json
import subprocess
import sys
import time
import urllib.parse
import uuid

KEY, CERTIFICATE, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, text=b""):
    return subprocess.run(["openssl", *words], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


certificate = base64.b64encode(openssl("x509", "-in", CERTIFICATE, "-outform", "DER")).decode()
digest = hashlib.sha256(openssl("rsa", "-in", KEY, "-pubout", "-outform", "DER")).digest()
letters = base64.b32encode(digest[:30]).decode()
key_id = ":".join(letters[i:i + 4] for i in range(0, 48, 4))


def token(user, service, access):
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "kid": key_id, "x5c": [certificate]}
    claims = {"iss": "test-issuer", "sub": user, "aud": service, "exp": now + 300, "nbf": now - 10,
              "iat": now, "jti": uuid.uuid4().hex, "access": access}
    text = encoded(json.dumps(head).encode()) + "." + encoded(json.dumps(claims).encode())
    return text + "." + encoded(openssl("dgst", "-sha256", "-sign", KEY, text=text.encode()))


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, code, content):
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        given = self.headers.get("Authorization", "")
        known = given == "Basic " + base64.b64encode(b"bob:secret").decode()
        if given and not known:
            return self.answer(401, {"details": "wrong password"})
        access = []
        for scope in query.get("scope", []):
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            may = [a for a in actions.split(",") if known or (a == "pull" and name.startswith("public/"))]
            access.append({"type": kind, "name": name, "actions": may})
        return self.answer(200, {"token": token("bob" if known else "", query["service"][0], access)})


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
