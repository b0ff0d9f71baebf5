"""`python.py KIND PORT`: http.client, urllib3 or requests with a kept connection: uploads by length and in chunks in turn, a download."""

import hashlib
import http.client
import json
import random
import sys

ROUNDS = 20
FILE_BYTES = 3_000_000


def standard(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(method, path, body, chunked):
        connection.request(method, path, body, encode_chunked=chunked)
        kept = connection.sock
        answer = connection.getresponse()
        received = answer.read()
        assert connection.sock is kept, "the connection was not kept"
        return answer.status, received

    return ask


def urllib3(port):
    import urllib3 as library

    pool = library.HTTPConnectionPool("127.0.0.1", port, maxsize=1, block=True, retries=False)

    def ask(method, path, body, chunked):
        answer = pool.urlopen(method, path, body=body, chunked=chunked)
        assert pool.num_connections == 1, "the connection was not kept"
        return answer.status, answer.data

    return ask


def requests(port):
    import requests as library

    session = library.Session()
    session.trust_env = False

    def ask(method, path, body, chunked):
        answer = session.request(method, f"http://127.0.0.1:{port}{path}", data=body, timeout=30)
        pools = session.adapters["http://"].poolmanager.pools
        assert [pools[key].num_connections for key in pools.keys()] == [1], "the connection was not kept"
        return answer.status_code, answer.content

    return ask


def main(kind, port):
    ask = {"http.client": standard, "urllib3": urllib3, "requests": requests}[kind](port)
    drawn = random.Random(1)
    for number in range(ROUNDS):
        pieces = [drawn.randbytes(1 + drawn.randrange(40_000)) for _ in range(1 + number % 5)]
        sent, chunked = b"".join(pieces), number % 2 == 1
        status, received = ask("POST", "/hash", iter(pieces) if chunked else sent, chunked)
        told = json.loads(received)
        assert status == 200, status
        assert (told["length"], told["sha256"]) == (len(sent), hashlib.sha256(sent).hexdigest()), "another body arrived"
        assert told["chunked"] is chunked, "another framing arrived"
    status, received = ask("GET", f"/bytes/{FILE_BYTES}", None, False)
    assert status == 200 and received == bytes((index % 65_521) % 251 for index in range(FILE_BYTES)), "the download differs"
    assert ask("GET", "/absent", None, False) == (404, b"absent")


main(sys.argv[1], int(sys.argv[2]))
