"""A server that is not the limit: nginx, shaped as S3, serving a folder in memory, for any signature.

Two ports: one as fast as it goes, and one with what a network adds: a lognormal time to the first byte (median 30 ms) and a
limit per connection (90 MB/s). GET, HEAD and Range are real; what is put is read and thrown away, parts as well; DeleteObjects is
not there. Bucket ``list`` has a million keys, of whose listings any page can be had, from any key on. Counts requests.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

LISTED = 1_000_000  # keys of the bucket "list": data/0000000.parquet, ...
FIRST_BYTE = 0.03  # seconds, median
SPREAD = 0.3  # sigma of its logarithm
PER_CONNECTION = "90m"
PACKAGES = "nginx-light libnginx-mod-http-lua"
_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
_FOLDERS = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")

CONF = """
{modules}
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
    init_by_lua_block {{
        list_rows = assert(io.open("{run}/rows", "r"))
        list_width = {width}
        list_count = {listed}
        function list_key(n) return string.format("data/%07d.parquet", n) end
        function list_page()
            local args = ngx.req.get_uri_args()
            local first = tonumber(args["continuation-token"])
            local after = args["start-after"] or args["marker"]
            if not first and type(after) == "string" and after ~= "" then
                local low, high = 0, list_count
                while low < high do
                    local mid = math.floor((low + high) / 2)
                    if list_key(mid) > after then high = mid else low = mid + 1 end
                end
                first = low
            end
            first = first or 0
            local last = math.min(first + math.min(tonumber(args["max-keys"]) or 1000, 1000), list_count)
            list_rows:seek("set", first * list_width)
            local rows = last > first and list_rows:read((last - first) * list_width) or ""
            local more = last < list_count
            ngx.header["Content-Type"] = "application/xml"
            ngx.print('<?xml version="1.0" encoding="UTF-8"?>\\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
                '<Name>list</Name><Prefix>', type(args["prefix"]) == "string" and args["prefix"] or "", '</Prefix>',
                '<KeyCount>', last - first, '</KeyCount><MaxKeys>1000</MaxKeys>',
                args["encoding-type"] and '<EncodingType>url</EncodingType>' or '', '<IsTruncated>', tostring(more), '</IsTruncated>',
                more and '<NextContinuationToken>' .. last .. '</NextContinuationToken>' or '', rows, '</ListBucketResult>')
        end
        function throw_away()
            local left = tonumber(ngx.var.http_content_length) or 0
            if left > 0 then
                local socket = ngx.req.socket()
                while left > 0 do
                    local data = socket:receiveany(262144)
                    if not data then return ngx.exit(499) end
                    left = left - #data
                end
            end
            ngx.header["ETag"] = '"written"'
            ngx.status = 200
            ngx.header["Content-Length"] = 0
        end
        function first_byte()
            local normal = math.sqrt(-2 * math.log(1 - math.random())) * math.cos(2 * math.pi * math.random())
            ngx.sleep({first_byte} * math.exp({spread} * normal))
        end
    }}
    {servers}
    server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {root};
        {limit}
        error_page 404 = @missing;
        location ~ ^/list/?$ {{ {delay} content_by_lua_block {{ list_page() }} }}
        location ~ ^/[^/]*/?$ {{ default_type application/xml; return 200 ''; }}
        location / {{
            {delay}
            if ($request_method = PUT) {{ rewrite ^ /.put last; }}
            if ($request_method = POST) {{ rewrite ^ /.post last; }}
        }}
        location = /.put {{ internal; {delay} content_by_lua_block {{ throw_away() }} }}
        location = /.post {{
            internal;
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
"""


def row(number: int) -> str:
    """Return one key of the long listing; all are of one length."""
    day = f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    time_of_day = f"{number % 24:02d}:{number % 60:02d}:{number // 60 % 60:02d}"
    return (
        f"<Contents><Key>data/{number:07d}.parquet</Key><LastModified>{day}T{time_of_day}.000Z</LastModified>"
        f"<ETag>&quot;{number * 2654435761 % 2**128:032x}&quot;</ETag><Size>{100000 + number % 900000}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


class Nginx:
    """nginx on loopback over a folder in memory: ``endpoint_url``, ``slow_url`` (first byte, limit), ``root`` (one folder a bucket)."""

    def __init__(self, workers: int = 1, listed: int = LISTED) -> None:
        binary, folder = _nginx()
        if binary is None or folder is None:
            why = install(*PACKAGES.split())
            binary, folder = _nginx()
            if binary is None or folder is None:
                raise SystemExit(
                    f"the benchmarks need nginx and its Lua module: {why or 'not where they were looked for'}"
                )
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else None  # memory, not a disk
        self._folder = Path(tempfile.mkdtemp(prefix="s3nb-bench-", dir=shared))
        self.root = self._folder / "root"
        run = self._folder / "run"
        for made in (self.root, run):
            made.mkdir()
        self._folder.chmod(0o755)
        with open(run / "rows", "w") as file:
            for start in range(0, listed, 10_000):
                file.write("".join(row(n) for n in range(start, min(start + 10_000, listed))))
        fast, slow, status = _ports(3)
        delay = "access_by_lua_block { first_byte() }"
        servers = SERVER.format(port=fast, root=self.root, limit="", delay="") + SERVER.format(
            port=slow, root=self.root, limit=f"limit_rate {PER_CONNECTION};", delay=delay
        )
        conf = run / "nginx.conf"
        conf.write_text(
            CONF.format(
                user="" if os.getuid() else "user root;", workers=workers, run=run, servers=servers, status=status,
                modules="".join(f"load_module {folder}/{m};\n" for m in _MODULES), width=len(row(0)), listed=listed,
                first_byte=FIRST_BYTE, spread=SPREAD,
            )
        )  # fmt: skip
        self._command = [binary, "-c", str(conf), "-p", str(run), "-e", str(run / "error.log")]
        subprocess.run(self._command, check=True)
        self.endpoint_url = f"http://127.0.0.1:{fast}"
        self.slow_url = f"http://127.0.0.1:{slow}"
        self.status_url = f"http://127.0.0.1:{status}/"
        until = time.monotonic() + 5
        while True:
            try:
                self.requests()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def requests(self) -> int:
        """Return the number of requests so far; asking is one."""
        with urllib.request.urlopen(self.status_url, timeout=5) as reply:
            return int(reply.read().split()[9])

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._command, "-s", "stop"], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


def _nginx() -> tuple[str | None, str | None]:
    """Return nginx, and the folder with the modules that are needed."""
    folder = next((f for f in _FOLDERS if all(os.path.exists(f"{f}/{m}") for m in _MODULES)), None)
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"), folder


def install(*packages: str) -> str:
    """Install Debian's packages, if that may be done without a password; return why not, or nothing."""
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        return f"no apt-get here; wanted: {' '.join(packages)}"
    if os.getuid():
        if (
            shutil.which("sudo") is None
            or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
        ):
            return f"as root: {' '.join(command)}"
        command = ["sudo", "-n", *command]
    print(f"installing {' '.join(packages)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = [*command[: command.index("install")], "update", "-qq"]
    for step in (update, command):
        done = subprocess.run(step, capture_output=True, text=True, check=False, env=quiet)
        if done.returncode:
            return f"{' '.join(step)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}"
    return ""


def _ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
