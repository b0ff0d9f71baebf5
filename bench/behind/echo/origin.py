"""`origin.py PORT RECORDS`: where nginx and Apache send on what they understood; reads no message that Ringway framed."""

import http.server
import sys

from record import answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def __getattr__(self, name):
        # `do_` and the method: any method will do.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self):
        try:
            body = self._chunks() if "Transfer-Encoding" in self.headers else self._sized()
        except ValueError:
            self.close_connection = True
            return
        # As it stands in the request line: `path` is not what came where it begins with two slashes.
        told = answer(sys.argv[2], self.command, self.requestline.split(" ")[1], body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    def _sized(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ValueError("cut")
        return body

    def _chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
