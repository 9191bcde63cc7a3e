"""A bare FTP client for tests: bytes out, replies in, nothing hidden."""
import os
import re
import socket
import ssl
import subprocess
import time

HOST = "127.0.0.1"
PORT = int(os.environ.get("FFS_PORT", "0"))
IMPLICIT = int(os.environ.get("FFS_IMPLICIT", "0"))
HTTPS = int(os.environ.get("FFS_HTTPS", "0"))
METRICS = int(os.environ.get("FFS_METRICS", "0"))
ACCOUNT = os.environ.get("FFS_ACCOUNT", "")
PASSWORD = os.environ.get("FFS_PASSWORD", "")
EXPIRED = os.environ.get("FFS_EXPIRED", "")
TREE = os.environ.get("FFS_TREE", "")  # the account's root
AREA = os.environ.get("FFS_AREA", "")
LOG = os.environ.get("FFS_LOG", "")
XFERLOG = os.environ.get("FFS_XFERLOG", "")
PID = int(os.environ.get("FFS_PID", "0"))  # the supervisor
CTL = os.environ.get("FFS_CTL", "").split("\n")  # ffsctl with its configuration


def tls_context(version=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Client:
    def __init__(self, port=None, source=None, preamble=b"", greet=True, context=None, implicit=False, host=HOST):
        self.sock = socket.create_connection((host, port or PORT), 15, source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.context = context
        self.buffer = b""
        self.session = None
        if preamble:
            self.raw(preamble)
        if implicit:
            self.wrap()
        if greet:
            self.greeting = self.reply()

    def raw(self, data):
        self.sock.sendall(data)

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "surrogateescape")

    def reply(self):
        """The whole reply; inner lines of it must not look like its last line."""
        first = self.line()
        assert re.match(r"^\d{3}[ -]", first), first
        lines = [first]
        if first[3] == "-":
            while not lines[-1].startswith(first[:3] + " "):
                lines.append(self.line())
        return "\n".join(lines)

    def __call__(self, command):
        self.raw(command.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.reply()

    def expect(self, command, code):
        reply = self(command)
        assert reply.startswith(str(code)), f"{command}: {reply}, not {code}"
        return reply

    def reply_is_missing(self, seconds=0.05):
        """Whether nothing more is said; some clients take an extra reply for the next command's."""
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.buffer += self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        self.sock.settimeout(timeout)
        return not self.buffer

    def expect_end(self, timeout=15):
        """Nothing more comes but the end of the connection."""
        self.sock.settimeout(timeout)
        rest = self.buffer
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    break
                rest += more
        except ConnectionResetError:
            pass
        assert rest == b"", rest

    def wrap(self, session=None):
        self.context = self.context or tls_context()
        self.sock = self.context.wrap_socket(self.sock, session=session, server_hostname=self.server_name)

    server_name = None

    def auth(self, context=None, word="TLS"):
        self.context = context or self.context
        self.expect(f"AUTH {word}", 234)
        self.wrap()
        return self

    def protect(self):
        self.expect("PBSZ 0", 200)
        self.expect("PROT P", 200)
        return self

    def login(self, account=None, password=None):
        self.expect(f"USER {account or ACCOUNT}", 331)
        self.expect(f"PASS {password or PASSWORD}", 230)
        self.expect("TYPE I", 200)
        return self

    def passive(self):
        reply = self.expect("EPSV", 229)
        return int(re.search(r"\|\|\|(\d+)\|", reply).group(1))

    def open_data(self, source=None):
        return socket.create_connection((HOST, self.passive()), 15, source_address=(source, 0) if source else None)

    def transfer(self, command, session=True, read=None):
        """(final reply, bytes); TLS on data when `protect` was called."""
        data = self.open_data()
        self.raw(command.encode("utf-8", "surrogateescape") + b"\r\n")
        reply = self.reply()
        if not reply.startswith("150"):
            data.close()
            return reply, b""
        if isinstance(self.sock, ssl.SSLSocket) and getattr(self, "protected", True) and self.is_protected:
            data = self.context.wrap_socket(data, session=self.sock.session if session else None)
            self.data_reused = data.session_reused
        got = read(data) if read else drain(data)
        if isinstance(data, ssl.SSLSocket):
            try:
                data.unwrap()
            except (OSError, ssl.SSLError):
                pass
        data.close()
        return self.reply(), got

    is_protected = False

    def secure(self, context=None):
        """AUTH, sign-in, PROT P."""
        self.auth(context).login().protect()
        self.is_protected = True
        return self

    def close(self):
        self.sock.close()


def drain(data):
    parts = []
    while True:
        more = data.recv(1 << 18)
        if not more:
            return b"".join(parts)
        parts.append(more)


def signed_in(**options):
    return Client(**options).login()


def workers():
    """Process ids; a child belongs to the thread that started it."""
    found = []
    for task in os.listdir(f"/proc/{PID}/task"):
        with open(f"/proc/{PID}/task/{task}/children") as children:
            found += [int(word) for word in children.read().split()]
    assert found, "no worker runs"
    return sorted(found)


def descriptors():
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in workers())


def memory():
    """Proportional set size of all workers, KiB."""
    total = 0
    for pid in workers():
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


def own_memory():
    """What all workers hold that no file backs, KiB. Unlike the proportional size it does not depend on who else runs."""
    total = 0
    for pid in workers():
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:"))
    return total


def cpu():
    """Seconds that all workers have used."""
    total = 0
    for pid in workers():
        with open(f"/proc/{pid}/stat") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def timed(body):
    start = time.monotonic()
    body()
    return time.monotonic() - start


def ctl(*words):
    """What ffsctl prints."""
    run = subprocess.run([*CTL, *words], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    return run.stdout


def content(name, account=None):
    """A file's bytes, past the server."""
    with open(f"{AREA}/{account}/root/{name}" if account else f"{TREE}/{name}", "rb") as file:
        return file.read()


def eventually(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {condition}")


def log():
    with open(LOG, encoding="utf-8", errors="surrogateescape") as text:
        return text.read()
