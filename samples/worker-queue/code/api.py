"""POST /jobs with a number asks for its factorial; GET /jobs shows what is done, and by whom."""
import http.server
import json

from queue_client import Queue


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        number = int(self.rfile.read(int(self.headers["Content-Length"])))
        job = Queue().ask("INCR", "last-job")
        Queue().ask("LPUSH", "waiting", json.dumps({"job": job, "number": number}))
        self.answer(202, {"job": job})

    def do_GET(self):
        done = Queue().ask("LRANGE", "done", 0, -1)
        self.answer(200, [json.loads(one) for one in done])

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", 8000), Api).serve_forever()
