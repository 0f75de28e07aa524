"""A server that is not the limit: nginx, serving a folder in memory as S3 does, for any signature.

GET, HEAD, Range, PUT and DELETE are real. Of a multipart upload the parts are stored, each under a name of its own; that
they become one object is only said, which costs a client the same.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONF = """
{user}
daemon on;
worker_processes {workers};
pid {run}/pid;
error_log {run}/error.log error;
worker_rlimit_nofile 65536;
events {{ worker_connections 8192; }}
http {{
    access_log off; server_tokens off;
    sendfile on; sendfile_max_chunk 2m; tcp_nopush on; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 3600s;
    client_max_body_size 0; client_body_buffer_size 256k;
    client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
    types {{ }} default_type binary/octet-stream;
    merge_slashes off; log_not_found off; etag on;
    map $request_method $put_etag {{ default $sent_http_etag; PUT "\\"written\\""; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {root};
        error_page 404 = @missing;
        error_page 405 = @post;
        location ~ ^/[^/]*/?$ {{ default_type application/xml; return 200 ''; }}
        location / {{
            if ($arg_partNumber) {{ rewrite ^/(.*)$ /parts/$1.$arg_partNumber break; }}
            dav_methods PUT DELETE; create_full_put_path on; dav_access user:rw group:r all:r;
            add_header ETag $put_etag;
            if ($request_method = POST) {{ return 405; }}
        }}
        location @post {{
            default_type application/xml;
            if ($arg_uploadId) {{
                return 200 '<CompleteMultipartUploadResult><ETag>"0-1"</ETag></CompleteMultipartUploadResult>';
            }}
            return 200 '<?xml version="1.0"?><InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>bench</Bucket><Key>k</Key><UploadId>U</UploadId></InitiateMultipartUploadResult>';
        }}
        location @missing {{
            default_type application/xml;
            return 404 '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>no such file</Message></Error>';
        }}
    }}
}}
"""


class Nginx:
    """nginx on loopback over a folder in memory; ``endpoint_url`` and ``root`` (one folder a bucket)."""

    def __init__(self, workers: int = 1) -> None:
        binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise SystemExit("the benchmarks need nginx (Debian: apt-get install nginx-light)")
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else None  # memory, not a disk
        self._folder = Path(tempfile.mkdtemp(prefix="s3nb-bench-", dir=shared))
        self.root = self._folder / "root"
        run = self._folder / "run"
        for folder in (self.root, run):
            folder.mkdir()
        self._folder.chmod(0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        user = "" if os.getuid() else "user root;"
        conf = run / "nginx.conf"
        conf.write_text(CONF.format(user=user, workers=workers, run=run, port=port, root=self.root))
        self._command = [binary, "-c", str(conf), "-p", str(run), "-e", str(run / "error.log")]
        subprocess.run(self._command, check=True)
        self.endpoint_url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 5
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._command, "-s", "stop"], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)
