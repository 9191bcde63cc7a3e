#!/usr/bin/python3
"""Measures HTTPS downloads of FFS beside nginx and Caddy: one staged tree, one certificate, two workers each.

  bench-https.py setup                                  peers, load generator and data under $FFS_BENCH (/tmp/ffs-bench)
  bench-https.py run --ffs PROGRAM [--tests T,…] [--contenders NAME,…] [--rounds 5] [--set KEY=VALUE …] [--out FILE]

nginx does the same work: access log on, one basic-auth digest ({SHA}), sendfile on. Caddy is bare. Rounds take the
contenders in turn (A B C, B C A, …); figures are medians, ratios medians of each round's ratio. A server's processor
time comes from a cgroup of its own. Needs root, apt-get, curl, openssl, nghttp2-client. Loopback only."""
import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ftp"))
import compare  # noqa: E402  (the FTP benchmark's groups, medians and files)
import peers  # noqa: E402
import serve_ffs  # noqa: E402

ROOT = pathlib.Path(os.environ.get("FFS_BENCH", "/tmp/ffs-bench"))
DATA, STATE, PEERS = ROOT / "https-data", ROOT / "https-ffs", ROOT / "https-peers"
TREE = STATE / "accounts" / serve_ffs.ACCOUNT / "root"
FOLDER = f"/a/{serve_ffs.ACCOUNT}"
LOGIN = f"{serve_ffs.ACCOUNT}:{serve_ffs.PASSWORD}"
PORTS = {"nginx": 2180, "caddy": 2181, "ffs": 2161}
GIB = 2**30

# name: (load, its arguments, what it is)
TESTS = {
    "small1": ("h2load", "--h1 -c 16 -n 40000", "292–400-byte files, h1, 16 connections, requests/s"),
    "small2": ("h2load", "-c 16 -m 8 -n 40000", "the same, h2, 8 streams each, requests/s"),
    "stream1": ("curl", "--http1.1", "1 stream, 2 GiB, h1 (curl, decrypting), GiB/s"),
    "stream2": ("curl", "--http2", "1 stream, 2 GiB, h2 (curl, decrypting), GiB/s"),
    "new": ("h2load", "--h1 -c 1000 -n 1000", "new TLS connection and one file, per s"),
}


def setup():
    (DATA / "s").mkdir(parents=True, exist_ok=True)
    compare.fill(DATA / "big", 2 * GIB)
    for number in range(1000):
        place = DATA / "s" / f"file-{number:04d}.txt"
        if not place.exists():
            place.write_bytes(os.urandom(292 + number % 109))
    compare.run("chmod", "-R", "a+rX", DATA)
    ROOT.chmod(0o755)
    compare.run("apt-get", "install", "-y", "--no-install-recommends", "nghttp2-client", "curl")
    packages = PEERS / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    compare.run("apt-get", "download", "nginx", "caddy", cwd=packages)
    for package in packages.glob("*.deb"):
        compare.run("dpkg", "-x", package, PEERS)
    for folder in ("accounts", "run", "log"):
        (STATE / folder).mkdir(parents=True, exist_ok=True)
    serve_ffs.make_account(DATA, STATE / "accounts")
    serve_ffs.certificate(STATE / "tls")
    (PEERS / "uris").mkdir(exist_ok=True)
    for name, port in PORTS.items():
        (PEERS / "uris" / name).write_text(
            "".join(f"https://127.0.0.1:{port}{FOLDER}/s/file-{n:04d}.txt\n" for n in range(1000)))
    nginx_configuration()
    (PEERS / "Caddyfile").write_text(
        "{\n auto_https off\n admin off\n default_sni localhost\n}\n"
        f"https://:{PORTS['caddy']} {{\n tls {STATE}/tls/cert.pem {STATE}/tls/key.pem\n"
        f" handle_path {FOLDER}/* {{\n  root * {TREE}\n  file_server\n }}\n}}\n")


def nginx_configuration():
    secret = base64.b64encode(hashlib.sha1(serve_ffs.PASSWORD.encode()).digest()).decode()
    (PEERS / "passwords").write_text(f"{serve_ffs.ACCOUNT}:{{SHA}}{secret}\n")
    (PEERS / "passwords").chmod(0o644)
    (PEERS / "nginx.conf").write_text(f"""
daemon off; worker_processes 2; pid {PEERS}/nginx.pid; error_log {PEERS}/nginx-error.log; user nobody nogroup;
worker_rlimit_nofile 65536;
events {{ worker_connections 20000; }}
http {{
  sendfile on; tcp_nopush on; access_log {PEERS}/nginx-access.log combined; keepalive_requests 100000000;
  default_type application/octet-stream; server_tokens off;
  client_body_temp_path {PEERS}/b; proxy_temp_path {PEERS}/p; fastcgi_temp_path {PEERS}/f; uwsgi_temp_path {PEERS}/u;
  scgi_temp_path {PEERS}/s;
  server {{
    listen 127.0.0.1:{PORTS['nginx']} ssl http2 reuseport; ssl_certificate {STATE}/tls/cert.pem;
    ssl_certificate_key {STATE}/tls/key.pem; ssl_protocols TLSv1.3;
    location {FOLDER}/ {{ alias {TREE}/; auth_basic FFS; auth_basic_user_file {PEERS}/passwords; }}
  }}
}}
""")


def command(name, arguments):
    if name == "nginx":
        return [PEERS / "usr/sbin/nginx", "-p", PEERS, "-c", PEERS / "nginx.conf", "-e", PEERS / "nginx-error.log"]
    if name == "caddy":
        return [PEERS / "usr/bin/caddy", "run", "--config", PEERS / "Caddyfile", "--adapter", "caddyfile"]
    words = [HERE.parent / "ftp/serve_ffs.py", arguments.ffs, DATA, STATE, "--port", PORTS["ffs"] - 1]
    # The transfer as a line of the structured log is written too: at level info.
    settings = ["log.level=info", "ftp.workers=2", *arguments.set]
    return words + [word for pair in settings for word in ("--set", pair)]


class Server:
    def __init__(self, name, arguments):
        self.name, self.port, self.group = name, PORTS[name], compare.Group(f"https-{name}")
        self.log = PEERS / f"{name}.log"
        environment = os.environ | {"GOMAXPROCS": "2", "HOME": str(PEERS), "XDG_DATA_HOME": str(PEERS)}
        self.process = subprocess.Popen(
            [str(word) for word in command(name, arguments)], stdin=subprocess.DEVNULL, stdout=open(self.log, "wb"),
            stderr=subprocess.STDOUT, start_new_session=True, env=environment,
            preexec_fn=lambda: self.group.join(os.getpid()))
        peers.await_port("127.0.0.1", self.port, self.log)

    def stop(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            for member in self.group.members():
                try:
                    os.kill(member, how)
                except ProcessLookupError:
                    pass
            time.sleep(0.5)

    def load(self, test):
        """One run: `figure` in the test's unit, `cpu` the server's processor seconds (a request, or a GiB)."""
        kind, words, _ = TESTS[test]
        before = self.group.seconds()
        if kind == "h2load":
            figure, count = self.h2load(words)
        else:
            figure, count = self.curl(words)
        return {"figure": figure, "cpu": (self.group.seconds() - before) / count}

    def h2load(self, words):
        done = subprocess.run(
            ["h2load", *words.split(), "-t", "1", "-H", "authorization: Basic " +
             base64.b64encode(LOGIN.encode()).decode(), "-i", PEERS / "uris" / self.name],
            capture_output=True, text=True, timeout=300)
        found = re.search(r"finished in [^,]+, ([\d.]+) req/s", done.stdout)
        status = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
        asked = int(re.search(r"-n (\d+)", words)[1])
        if not found or not status or int(status[1]) != asked:
            raise RuntimeError(f"{self.name} did not answer all: {done.stdout[-600:]}{done.stderr[-300:]}")
        return float(found[1]), asked

    def curl(self, words):
        done = subprocess.run(
            ["curl", "-sfk", words, "-u", LOGIN, "-o", "/dev/null", "-w", "%{speed_download} %{size_download}",
             f"https://127.0.0.1:{self.port}{FOLDER}/big"], capture_output=True, text=True, timeout=300)
        speed, size = done.stdout.split() if done.returncode == 0 else ("0", "0")
        if int(size) != 2 * GIB:
            raise RuntimeError(f"{self.name}: curl got {size} bytes and ended with {done.returncode}")
        return float(speed) / GIB, 2


def measure(test, servers, rounds, out):
    results = {server.name: [] for server in servers}
    for turn in range(rounds):
        shift = turn % len(servers)
        for server in servers[shift:] + servers[:shift]:
            figures = server.load(test)
            results[server.name].append(figures)
            if out:
                out.write(json.dumps(figures | {"test": test, "name": server.name, "round": turn}) + "\n")
                out.flush()
    kind, words, title = TESTS[test]
    print(f"\n{test}: {title} ({kind} {words}), {rounds} rounds")
    ours = results.get("ffs", [])
    for name, figures in results.items():
        line = f"  {name:6} {compare.median([one['figure'] for one in figures]):10,.2f}"
        line += f"  {compare.median([one['cpu'] for one in figures]) * (1e6 if kind == 'h2load' else 1):8.3f} "
        line += "µs of processor a request" if kind == "h2load" else "s of processor a GiB"
        if ours and name != "ffs":
            ratio = compare.median([mine["figure"] / one["figure"] for mine, one in zip(ours, figures)])
            line += f"  ffs is {ratio:.2f} ×"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["setup", "run"])
    parser.add_argument("--ffs")
    parser.add_argument("--tests", default=",".join(TESTS))
    parser.add_argument("--contenders", default="nginx,caddy,ffs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=argparse.FileType("w"))
    arguments = parser.parse_args()
    if arguments.verb == "setup":
        return setup()
    compare.Group.share(os.getpid())
    servers = []
    try:
        for name in arguments.contenders.split(","):
            servers.append(Server(name, arguments))
        for test in arguments.tests.split(","):
            measure(test, servers, arguments.rounds, arguments.out)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
