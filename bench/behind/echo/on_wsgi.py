"""The application for gunicorn; RECORDS in the environment names the file."""

import os

from record import answer


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    # A body that was cut only looks shorter here; whether it is whole is left to applications.
    if len(body) < int(environ.get("CONTENT_LENGTH") or 0):
        start_response("400 Bad Request", [("Content-Length", "0")])
        return []
    told = answer(os.environ["RECORDS"], environ["REQUEST_METHOD"], environ["RAW_URI"], body)
    start_response("200 OK", [("Content-Length", str(len(told)))])
    return [told] if environ["REQUEST_METHOD"] != "HEAD" else []
