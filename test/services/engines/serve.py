"""What the engine servers share: JSON over HTTP on a free loopback port, canonical values, end at end of stdin."""
import datetime as dt
import decimal
import json
import os
import sys
import threading
import traceback
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def serve(handle):
    """Answers POST requests with handle(request) -> result, one at a time; prints the port on stdout."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers['content-length'])))
            try:
                with lock:
                    body = {'ok': True, 'result': handle(request)}
            except Exception as error:  # the text of the engine's own error is what tests look at
                body = {'ok': False, 'error': f'{type(error).__name__}: {error}', 'trace': traceback.format_exc()}
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header('content-type', 'application/json')
            self.send_header('content-length', str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    out = os.fdopen(os.dup(1), 'w', buffering=1)
    out.write(f'PORT {server.server_address[1]}\n')
    sys.stdin.read()
    os._exit(0)


def number(value):
    if value != value:
        return 'NaN'
    if value in (float('inf'), float('-inf')):
        return 'Infinity' if value > 0 else '-Infinity'
    if value == 0 and str(value).startswith('-'):
        return '-0'
    return value


EPOCH = dt.datetime(1970, 1, 1)


def timestamp_text(value, utc):
    if value.tzinfo is not None:
        value = value.astimezone(dt.timezone.utc).replace(tzinfo=None)
    return value.strftime('%Y').zfill(4) + value.strftime('-%m-%dT%H:%M:%S.%f') + ('+00:00' if utc else '')


def nanos_text(nanos, utc):
    """Of nanoseconds since the epoch."""
    seconds, fraction = divmod(nanos, 1_000_000_000)
    base = EPOCH + dt.timedelta(seconds=seconds)
    return base.strftime('%Y').zfill(4) + base.strftime('-%m-%dT%H:%M:%S.') + f'{fraction:09d}' + ('+00:00' if utc else '')


def micros_text(micros, utc):
    return timestamp_text(EPOCH + dt.timedelta(microseconds=micros), utc)


def time_text(value):
    return value.strftime('%H:%M:%S.%f')


def hexed(value):
    return bytes(value).hex()


def sorted_map(pairs):
    return sorted(pairs, key=lambda pair: json.dumps(pair[0]))


__all__ = ['serve', 'number', 'timestamp_text', 'nanos_text', 'micros_text', 'time_text', 'hexed', 'sorted_map', 'dt', 'decimal', 'uuid', 'json']
