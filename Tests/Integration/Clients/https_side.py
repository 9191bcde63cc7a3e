#!/usr/bin/python3
"""The HTTPS side of ffsftpd and its operators: `https_side.py CASE...` runs rows in order, and fails loudly.

The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request

from ftp_wire import *

BASE = f"https://localhost:{HTTPS}/a/{ACCOUNT}"
USER = ["--user", f"{ACCOUNT}:{PASSWORD}"]


class Answer:
    """What curl brought: status, header fields, body."""

    def __init__(self, *words, user=USER, check=True):
        command = ["curl", "-sS", "-k", "-D", "/dev/stderr", "--max-time", "60", *user, *words]
        run = subprocess.run(command, capture_output=True)
        self.code = run.returncode
        text = run.stderr.decode("latin-1")
        assert not check or self.code == 0, text
        self.body = run.stdout
        self.version, self.status, self.fields = "", 0, {}
        for line in text.split("\r\n"):
            if line.startswith("HTTP/"):
                self.version, self.status, self.fields = line.split()[0], int(line.split()[1]), {}
            elif ": " in line:
                name, value = line.split(": ", 1)
                self.fields[name.lower()] = value


def get(path, *words, **options):
    return Answer(*words, BASE + path, **options)


def who():
    return json.loads(ctl("ftp", "who", "--json"))


class Download:
    """A running download with curl, as slow as the server makes it."""

    def __init__(self, path="/huge.bin", *words, user=USER):
        self.run = subprocess.Popen(
            ["curl", "-sSk", *user, *words, BASE + path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.got = bytearray()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while more := self.run.stdout.read1(1 << 18):
            self.got += more

    def started(self):
        eventually(lambda: len(self.got) > 0)
        return self

    def end(self, timeout=60):
        """Exit status of curl."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "still downloading"
        return self.run.wait()


def link(account, expires, password=PASSWORD):
    """As docs/formats.md says."""
    key = hashlib.sha256(password.encode()).digest()
    code = hmac.digest(key, f"ffs link 1\n{account}\n{expires}\n".encode(), "sha256")[:20]
    return f"{expires:x}-{code.hex()}"


def transfers():
    """The structured log's and the transfer log's words about each transfer, which must agree."""
    lines = [line.split() for line in open(XFERLOG)]
    logged = []
    for line in log().splitlines():
        if " transfer " in line:
            logged.append(dict(word.split("=", 1) for word in line.split() if "=" in word))
    assert len(lines) == len(logged), (lines, logged)
    for line, fields in zip(lines, logged):
        assert line[7] == fields["bytes"] and (line[-1] == "c") == (fields["complete"] == "true"), (line, fields)
        assert line[14 - 1] == fields["account"] and line[8] == fields["path"], (line, fields)
        assert max(1, round(int(fields["milliseconds"]) / 1000)) == int(line[5]), (line, fields)
    return logged


# ---- answers


def files():
    whole = content("big.iso")
    digest = hashlib.sha256(whole)
    for version, name in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")]:
        answer = get("/big.iso", version)
        assert answer.version == name and answer.status == 200 and answer.body == whole
        fields = answer.fields
        assert fields["etag"] == f'"{digest.hexdigest()}"' and fields["content-length"] == str(len(whole))
        assert base64(fields["repr-digest"]) == digest.digest()
        assert fields["content-disposition"] == 'attachment; filename="big.iso"'
        assert fields["strict-transport-security"] == "max-age=31536000"
        assert fields["referrer-policy"] == "no-referrer" and fields["x-content-type-options"] == "nosniff"
        assert fields["accept-ranges"] == "bytes" and "private" in fields["cache-control"]
        head = get("/big.iso", version, "-I")
        assert head.body.count(b"\r\n") > 5 or head.body == b""
        assert {k: v for k, v in head.fields.items() if k != "date"} == {k: v for k, v in fields.items() if k != "date"}


def base64(field):
    return base64_bytes(re.fullmatch(r"sha-256=:(.*):", field).group(1))


def base64_bytes(text):
    import base64

    return base64.b64decode(text)


def ranges():
    whole = content("big.iso")
    etag = f'"{hashlib.sha256(whole).hexdigest()}"'
    answer = get("/big.iso", "-r", "1000-1999")
    assert answer.status == 206 and answer.body == whole[1000:2000]
    assert answer.fields["content-range"] == f"bytes 1000-1999/{len(whole)}"
    assert base64(answer.fields["repr-digest"]) == hashlib.sha256(whole).digest()
    assert get("/big.iso", "-r", "-7").body == whole[-7:]
    assert get("/big.iso", "-r", f"{len(whole) - 3}-").body == whole[-3:]
    answer = get("/big.iso", "-r", "0-1,70000-70009,-2")
    assert answer.status == 206
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", answer.fields["content-type"]).group(1).encode()
    parts = answer.body.split(b"--" + boundary)
    assert parts[0] == b"" and parts[-1] == b"--\r\n" and len(answer.body) == int(answer.fields["content-length"])
    bodies = [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:-1]]
    assert bodies == [whole[0:2], whole[70000:70010], whole[-2:]]
    assert get("/big.iso", "-r", f"{len(whole)}-").status == 416
    assert get("/big.iso", "-r", f"{len(whole)}-").fields["content-range"] == f"bytes */{len(whole)}"
    # If-Range: the part only of the very same file.
    assert get("/big.iso", "-r", "0-1", "-H", f"If-Range: {etag}").status == 206
    answer = get("/big.iso", "-r", "0-1", "-H", 'If-Range: "another"')
    assert answer.status == 200 and answer.body == whole
    assert get("/big.iso", "-H", f"If-None-Match: {etag}").status == 304
    assert get("/big.iso", "-H", 'If-Match: "another"').status == 412
    # Resumed, as download tools do.
    with open(f"{AREA}/../part", "wb") as file:
        file.write(whole[:5_000_000])
    Answer("-C", "-", "-o", f"{AREA}/../part", f"{BASE}/big.iso")
    assert open(f"{AREA}/../part", "rb").read() == whole


def directories():
    page = get("/")
    text = page.body.decode()
    assert page.status == 200 and page.fields["content-type"] == "text/html; charset=utf-8"
    assert 'href="./big.iso"' in text and 'href="./d/"' in text and "default-src 'none'" in page.fields["content-security-policy"]
    listing = json.loads(get("/?format=json").body)
    assert {entry["name"] for entry in listing["entries"]} == set(os.listdir(TREE))
    hello = next(entry for entry in listing["entries"] if entry["name"] == "hello.txt")
    assert hello["sha256"] == hashlib.sha256(content("hello.txt")).hexdigest() and hello["size"] == 12
    assert json.loads(get("/", "-H", "Accept: application/json").body) == listing
    moved = get("/d")
    assert moved.status == 301 and moved.fields["location"] == f"/a/{ACCOUNT}/d/"
    assert get("/", "-I").body.count(b"<table") == 0
    assert get("/none").status == 404 and get("/../../etc/passwd", "--path-as-is").status == 404
    assert get("/big.iso", "-X", "PUT", "-d", "x").status == 405


def refusals():
    for user in [f"{ACCOUNT}:wrong", f"{EXPIRED}:{PASSWORD}", "bbbbbbbbbbbbbbb3:x"]:
        answer = get("/hello.txt", user=["--user", user])
        assert answer.status == 401 and answer.fields["www-authenticate"].startswith("Basic "), answer.fields
    assert get("/hello.txt", user=[]).status == 401
    assert PASSWORD not in log()


# ---- links


def links():
    now = int(time.time())
    good = link(ACCOUNT, now + 600)
    answer = get(f"/hello.txt?link={good}", user=[])
    assert answer.status == 200 and answer.body == content("hello.txt")
    cookie, *attributes = answer.fields["set-cookie"].split("; ")
    assert cookie == f"__Secure-ffs-link={good}"
    assert set(attributes) >= {f"Path=/a/{ACCOUNT}/", "Secure", "HttpOnly", "SameSite=Lax"}
    assert 590 <= int(next(a for a in attributes if a.startswith("Max-Age=")).split("=")[1]) <= 601
    assert answer.fields["referrer-policy"] == "no-referrer"
    assert get("/big.iso", "-r", "5-9", "-b", cookie, user=[]).body == content("big.iso")[5:10]
    assert get(f"/?link={good}", user=[]).status == 200
    # A browser's address bar forgets the link.
    page = get(f"/?link={good}", "-H", "Accept: text/html,*/*", user=[])
    assert page.status == 303 and page.fields["location"] == f"/a/{ACCOUNT}/" and "set-cookie" in page.fields
    page = get(f"/?link={good}", "-H", "Accept: text/html,*/*", "-L", "-c", "/dev/null", user=[])
    assert page.status == 200 and b"hello.txt" in page.body
    # wget's cookies carry it through a whole tree.
    assert get(f"/d?link={good}", user=[]).fields["location"] == f"/a/{ACCOUNT}/d/?link={good}"
    # Everything else is refused alike, and without a prompt for a password.
    for bad in [
        link(ACCOUNT, now - 1), link(ACCOUNT, now + 600, "guess"), link("abcdefghij234566", now + 600), good[:-1],
        good + "0", good.upper(), f"{now + 9999:x}-{good.split('-')[1]}", "", "-", "x",
    ]:
        answer = get(f"/hello.txt?link={bad}", user=[])
        assert answer.status == 403 and b"fresh" in answer.body and "www-authenticate" not in answer.fields, bad
    assert get("/hello.txt", "-b", f"__Secure-ffs-link={link(ACCOUNT, now - 1)}", user=[]).status == 401
    for account in [EXPIRED, "bbbbbbbbbbbbbbb3"]:
        other = Answer(f"https://localhost:{HTTPS}/a/{account}/hello.txt?link={link(account, now + 600)}", user=[])
        assert other.status == 403, account
    # A password that is given counts, and a link nowhere reaches a log.
    assert get(f"/hello.txt?link={good}", user=["--user", f"{ACCOUNT}:wrong"]).status == 401
    for text in [log(), open(XFERLOG).read()]:
        assert "link=" not in text and good.split("-")[1] not in text


# ---- limits


def limits():
    """Four sessions an address, two an account, whichever side they come to."""
    held = [signed_in()]
    slow = Download("/huge.bin", "--http1.1").started()
    refused = get("/hello.txt")
    assert refused.status == 429 and refused.fields["retry-after"] == "30" and b"this account" in refused.body
    client = Client()
    client(f"USER {ACCOUNT}")
    client.expect(f"PASS {PASSWORD}", 421)
    client.close()
    held.pop().close()
    eventually(lambda: get("/hello.txt").status == 200)
    # The answer is there before its session has ended.
    eventually(lambda: json.loads(ctl("ftp", "limits", "--json"))["sessions now"] == 1)
    held = [Client() for _ in range(3)]
    assert all(client.greeting.startswith("220") for client in held)
    for version in ["--http1.1", "--http2"]:
        refused = get("/hello.txt", version)
        assert refused.status == 429 and refused.fields["retry-after"] == "30" and b"your address" in refused.body
    assert Client(greet=False).reply().startswith("421")
    held.pop().close()
    eventually(lambda: get("/hello.txt").status == 200)
    slow.run.kill()
    slow.end()
    for client in held:
        client.close()
    eventually(lambda: json.loads(ctl("ftp", "limits", "--json"))["sessions now"] == 0)
    # The streams of one HTTP/2 connection count as one session.
    many = subprocess.run(
        ["curl", "-sSk", "--http2", "-Z", "--parallel-max", "8", *USER]
        + [word for name in ["hello.txt", "d/one", "big.iso", "SHA256SUMS"] for word in (f"{BASE}/{name}", "-o", "/dev/null")]
        + ["-w", "%{http_code} %{num_connects}\n"], capture_output=True, text=True)
    assert many.returncode == 0 and [line.split()[0] for line in many.stdout.split("\n")[:-1]] == ["200"] * 4, many
    metrics = scrape()
    assert metrics['ffs_ftp_refused_total{limit="ftp.sessions-per-account"}'] >= 2
    assert metrics['ffs_ftp_refused_total{limit="ftp.sessions-per-address"}'] >= 3


def full():
    """One session is all there may be."""
    slow = Download().started()
    refused = get("/hello.txt")
    assert refused.status == 503 and refused.fields["retry-after"] == "30" and b"full" in refused.body
    assert Client(greet=False).reply().startswith("421")
    slow.run.kill()
    slow.end()
    eventually(lambda: get("/hello.txt").status == 200)


def rates():
    """2,048 KiB/s a session, 3,072 an account: a session's streams share, and FTP takes from the same account."""
    start = time.monotonic()
    assert get("/big.iso", "-r", "0-4194303", "--http1.1").status == 206
    assert 1.5 < time.monotonic() - start < 4
    start = time.monotonic()
    subprocess.run(
        ["curl", "-sSkZ", "--http2", *USER, "-r", "0-2097151", f"{BASE}/big.iso", "-o", "/dev/null", f"{BASE}/huge.bin", "-o", "/dev/null"],
        check=True)
    assert 1.5 < time.monotonic() - start < 5
    start = time.monotonic()
    both = [Download("/big.iso", "-r", "0-4194303") for _ in range(2)]
    client = signed_in()
    client.expect(f"REST {len(content('big.iso')) - (1 << 20)}", 350)
    assert len(client.transfer("RETR big.iso")[1]) == 1 << 20
    for download in both:
        assert download.end() == 0 and len(download.got) == 4194304
    # 9 MiB at 3 MiB/s.
    assert 2.4 < time.monotonic() - start < 8


def who_and_kick():
    slow = Download().started()
    row = next(row for row in who() if row["path"])
    assert row["service"] == "https" and row["path"] == "huge.bin" and row["account"] == ACCOUNT, row
    assert row["sent"] > 0 and row["rate"] > 0 and row["tls"].startswith("TLSv1.3 "), row
    start = time.monotonic()
    ctl("ftp", "kick", row["session"])
    assert slow.end(5) != 0 and time.monotonic() - start < 1.5
    last = eventually_value(lambda: transfers()[-1:])[0]
    assert last["complete"] == "false" and last["service"] == "https" and last["session"] == row["session"]
    # A whole account: FTP and HTTPS.
    slow = Download("/huge.bin", "--http1.1").started()
    client = signed_in()
    ctl("ftp", "kick", ACCOUNT)
    assert slow.end(5) != 0 and client.reply().startswith("421")
    eventually(lambda: who() == [])


def eventually_value(body, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := body():
            return value
        time.sleep(0.05)
    raise AssertionError("nothing came")


# ---- logs, metrics, health


def logs_agree():
    before = len(transfers())
    whole = content("big.iso")
    get("/big.iso", "-r", "1000-")
    get("/hello.txt", "--http1.1", "--tls-max", "1.2")
    get("/big.iso", "-I")
    get("/", "-o", "/dev/null")
    context = tls_context()
    sock = context.wrap_socket(socket.create_connection((HOST, HTTPS), 10))
    import base64

    word = base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
    sock.sendall(f"GET /a/{ACCOUNT}/huge.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {word}\r\n\r\n".encode())
    got = 0
    while got < 1 << 20:
        got += len(sock.recv(1 << 18))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    eventually(lambda: len(open(XFERLOG).readlines()) == before + 3)
    time.sleep(0.2)
    ranged, small, broken = transfers()[before:]
    assert ranged["offset"] == "1000" and int(ranged["bytes"]) == len(whole) - 1000 and ranged["complete"] == "true"
    assert ranged["sha256"] == hashlib.sha256(whole).hexdigest() and ranged["service"] == "https"
    text = [line for line in log().splitlines() if " transfer " in line][before:]
    assert re.search(r'tls="TLSv1\.3 TLS_\w+"', text[0]) and re.search(r'tls="TLSv1\.2 ECDHE\S+"', text[1]), text
    assert small["bytes"] == "12" and small["reused"] == "false"
    # Counted in chunks that the kernel took.
    assert broken["complete"] == "false"
    assert got - (1 << 18) <= int(broken["bytes"]) < len(content("huge.bin")), (got, broken)


def operators(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def scrape():
    time.sleep(1.2)  # the supervisor publishes once a second
    status, text = operators("/metrics")
    assert status == 200
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    return values


def metrics():
    def gone(before, after, name):
        return after[name] - before[name]

    assert operators("/healthz")[0] == 200 and operators("/readyz")[0] == 200
    before = scrape()
    assert before["ffs_ftp_workers"] == 2
    client = Client().secure()
    client.transfer("RETR hello.txt", session=False)
    client.transfer("RETR hello.txt")
    plain = signed_in()
    plain.transfer("RETR d/one")
    refused = Client()
    refused(f"USER {ACCOUNT}")
    refused(f"PASS wrong")
    get("/hello.txt")
    get("/hello.txt", user=["--user", f"{ACCOUNT}:wrong"])
    port = plain.passive()
    plain.raw(b"RETR hello.txt\r\n")
    plain.reply()
    thief = socket.socket()
    thief.bind(("127.0.0.9", 0))
    thief.connect_ex((HOST, port))
    data = socket.create_connection((HOST, port), 5)
    assert drain(data) == content("hello.txt")
    thief.close()
    after = scrape()
    for name, change in {
        'ffs_ftp_logins_total{result="ok",service="ftp"}': 2,
        'ffs_ftp_logins_total{result="refused",service="ftp"}': 1,
        'ffs_ftp_logins_total{result="ok",service="https"}': 1,
        'ffs_ftp_logins_total{result="refused",service="https"}': 1,
        'ffs_ftp_transfers_total{protocol="ftp",result="complete"}': 2,
        'ffs_ftp_transfers_total{protocol="ftps",result="complete"}': 2,
        'ffs_ftp_transfers_total{protocol="https",result="complete"}': 1,
        'ffs_ftp_sent_bytes_total{protocol="ftp"}': 13,
        'ffs_ftp_sent_bytes_total{protocol="ftps"}': 24,
        'ffs_ftp_sent_bytes_total{protocol="https"}': 12,
        'ffs_ftp_tls_handshakes_total{connection="control",result="full"}': 1,
        'ffs_ftp_tls_handshakes_total{connection="data",result="resumed"}': 1,
        'ffs_ftp_tls_handshakes_total{connection="data",result="full"}': 1,
        'ffs_ftp_tls_handshakes_total{connection="https",result="full"}': 2,
        'ffs_ftp_data_refused_total{reason="address"}': 1,
        'ffs_ftp_sessions{service="ftp"}': 3,
        'ffs_ftp_sessions{service="https"}': 0,
        'ffs_ftp_transfers_running{service="ftp"}': 0,
    }.items():
        assert gone(before, after, name) == change, (name, before[name], after[name])
    row = next(row for row in json.loads(ctl("status", "ffsftpd", "--json")) if row["daemon"] == "ffsftpd")
    counts = row["counts"]
    assert counts["ftp sessions"] == 3 and counts["workers"] == 2, counts
    assert counts["transfers complete"] == sum(v for k, v in after.items() if k.startswith("ffs_ftp_transfers_total") and "complete" in k)
    # What a dead worker had counted stays counted, its sessions do not.
    os.kill(workers()[0], signal.SIGKILL)
    os.kill(workers()[-1], signal.SIGKILL)
    eventually(lambda: scrape()["ffs_ftp_workers"] == 2)
    again = scrape()
    assert again['ffs_ftp_sent_bytes_total{protocol="https"}'] == after['ffs_ftp_sent_bytes_total{protocol="https"}']
    assert again['ffs_ftp_sessions{service="ftp"}'] == 0
    assert sum(v for k, v in again.items() if k.startswith("ffs_ftp_worker_restarts_total")) == 2


# ---- operators


def drain_and_admit():
    slow = Download("/big.iso").started()
    ctl("ftp", "drain")
    eventually(lambda: get("/hello.txt", check=False).status == 503)
    refused = get("/hello.txt")
    assert refused.fields["retry-after"] == "30" and b"serviced" in refused.body
    assert operators("/readyz")[0] == 503 and operators("/healthz")[0] == 200
    assert slow.end() == 0 and slow.got == content("big.iso")
    ctl("ftp", "drain", "--off")
    eventually(lambda: get("/hello.txt").status == 200)
    assert operators("/readyz")[0] == 200


def rolling_restart():
    """Downloads that run end at the old workers, byte for byte, while others already come to the new ones."""
    old = workers()
    running = [Download("/huge.bin", version, "-r", "0-50331647").started() for version in ["--http1.1", "--http2"]]
    ctl("ftp", "restart")
    for _ in range(5):
        assert get("/hello.txt").body == content("hello.txt")
    assert [download.run.poll() for download in running] == [None, None]
    expected = content("huge.bin")[:50331648]
    for download in running:
        assert download.end() == 0
        assert len(download.got) == len(expected) and download.got == expected, len(download.got)
    eventually(lambda: not set(old) & set(workers()))
    eventually(lambda: scrape()['ffs_ftp_sessions{service="https"}'] == 0)


def ended_account():
    """The account ends three seconds after the daemon's start."""
    policy = os.environ["FFS_ENDING_POLICY"]
    url = f"https://localhost:{HTTPS}/a/{os.environ['FFS_ENDING']}"
    user = ["--user", f"{os.environ['FFS_ENDING']}:{PASSWORD}"]
    run = subprocess.Popen(["curl", "-sSk", *user, f"{url}/big.iso", "-o", "/dev/null"], stderr=subprocess.PIPE)
    eventually(lambda: any(row["path"] for row in who()))
    eventually(lambda: Answer(f"{url}/hello.txt", user=user).status == 401)
    assert Answer(f"{url}/hello.txt?link={link(os.environ['FFS_ENDING'], int(time.time()) + 60)}", user=[]).status == 403
    start = time.monotonic()
    status = run.wait(30)
    took = time.monotonic() - start
    # At 1,024 KiB/s it takes eight seconds.
    if policy == "finish":
        assert status == 0, run.stderr.read()
    elif policy == "cut":
        assert status != 0 and took < 2, took
    else:
        assert status != 0 and took < 6, took


def proxied():
    """ftp.proxies lists 127.0.0.0/8 here."""

    def fetch(header, pieces=1):
        sock = socket.create_connection((HOST, HTTPS), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = -(-len(header) // pieces)
        for start in range(0, len(header), step):
            sock.sendall(header[start:start + step])
            time.sleep(0.01 if pieces > 1 else 0)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = tls_context().wrap_socket(sock)
        import base64

        word = base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
        connection.request("GET", f"/a/{ACCOUNT}/hello.txt", headers={"Authorization": f"Basic {word}"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read() == content("hello.txt")
        connection.close()

    fetch(b"PROXY TCP4 192.0.2.9 127.0.0.1 40000 443\r\n")
    body = socket.inet_aton("192.0.2.10") + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40001, 443)
    fetch(b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body, pieces=7)
    eventually(lambda: "192.0.2.10" in open(XFERLOG).read())
    assert "192.0.2.9 12 /hello.txt" in open(XFERLOG).read()
    sock = socket.create_connection((HOST, HTTPS), 10)
    sock.sendall(b"\x16\x03\x01\x00\x05hello")
    try:
        assert sock.recv(100) == b""
    except ConnectionResetError:
        pass


# ---- what strangers try


def raw_request(text, wait=5):
    """What an HTTP/1.1 connection answers to `text`, until it ends."""
    with tls_context(alpn=["http/1.1"]).wrap_socket(socket.create_connection((HOST, HTTPS), 10)) as sock:
        sock.settimeout(wait)
        answer = b""
        try:
            sock.sendall(text)
            while more := sock.recv(65536):
                answer += more
        except (OSError, ssl.SSLError):
            pass
        return answer


def authorization():
    import base64

    return "Authorization: Basic " + base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode() + "\r\n"


def names_are_text():
    """What a file is called is shown and not obeyed: by the page, the JSON and the header fields; and each can be fetched."""
    names = [
        b"<script>alert(1)<!--", b'"onclick="x', b"a&amp;b", b"100% [x] #1?.txt", b"latin\xf1", "n\u0303 \u202etxt.exe".encode(), "\u00f1 \U0001f600".encode(), b"esc\x1b[2J",
        b"a;b=c", b"\\back", b"..x", b" lead", b"trail ", b"link=x",
    ]
    os.makedirs(f"{TREE}/names/<b>dir")
    for name in names:
        with open(TREE.encode() + b"/names/" + name, "wb") as file:
            file.write(b"content of " + name)
    page = get("/names/")
    text = page.body.decode()
    assert page.status == 200 and "<script>" not in text and "<b>" not in text and '"onclick' not in text and "\x1b" not in text and "\u202e" not in text, text
    hrefs = re.findall(r'href="\./([^"]+)"', text)
    assert len(hrefs) == len(names) + 1 and "%3Cb%3Edir/" in hrefs, hrefs
    found = {get("/names/" + href).body for href in hrefs if not href.endswith("/")}
    assert found == {b"content of " + name for name in names}, found
    entries = json.loads(get("/names/?format=json").body)["entries"]
    given = [base64_bytes(entry["nameBase64"]) if "nameBase64" in entry else entry["name"].encode() for entry in entries if entry["type"] == "file"]
    assert sorted(given) == sorted(names), given
    assert "\u00f1 \U0001f600" in {entry["name"] for entry in entries}
    for name, plain, full in [
        ("%C3%B1%20%F0%9F%98%80", '__ ____', "%C3%B1%20%F0%9F%98%80"), ("latin%F1", "latin_", "latin%F1"), ("%22onclick%3D%22x", "_onclick=_x", "%22onclick%3D%22x"),
    ]:
        field = get("/names/" + name).fields["content-disposition"]
        assert field == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}", field
    assert get("/names/%3Cb%3Edir").fields["location"] == f"/a/{ACCOUNT}/names/%3Cb%3Edir/"


class HTTP2:
    """A connection of HTTP/2 by hand: no header compression, no window beyond the first."""

    def __init__(self):
        self.sock = tls_context(alpn=["h2"]).wrap_socket(socket.create_connection((HOST, HTTPS), 10))
        self.sock.settimeout(10)
        self.buffer = b""
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0, b""))

    @staticmethod
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def request(self, stream, path, fields=()):
        """HEADERS with END_STREAM and END_HEADERS; each field a literal that is not indexed."""
        block = b""
        for name, value in [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path), *fields]:
            for word in (name.encode(), value.encode()):
                block += (b"\x00" if word == name.encode() else b"")
                block += bytes([len(word)]) if len(word) < 127 else b"\x7f" + bytes([len(word) - 127])
                block += word
        self.sock.sendall(self.frame(1, 5, stream, block))

    def frames(self, seconds=10):
        """(kind, flags, stream, payload) until the connection ends, which it must."""
        end = time.monotonic() + seconds
        while True:
            while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
                size = int.from_bytes(self.buffer[:3], "big")
                head, payload = self.buffer[:9], self.buffer[9:9 + size]
                self.buffer = self.buffer[9 + size:]
                yield head[3], head[4], int.from_bytes(head[5:9], "big"), payload
            self.sock.settimeout(max(0.1, end - time.monotonic()))
            try:
                more = self.sock.recv(65536)
            except ssl.SSLEOFError:
                return
            except ConnectionResetError:
                return
            if not more:
                return
            self.buffer += more


def calmed():
    """Who floods an HTTP/2 connection is told so (GOAWAY, ENHANCE_YOUR_CALM), and the connection ends."""
    client = HTTP2()
    try:
        client.sock.sendall(b"".join(HTTP2.frame(6, 0, 0, bytes(8)) for _ in range(3_000)))
    except OSError:
        pass
    start = time.monotonic()
    said = [struct.unpack("!I", payload[4:8])[0] for kind, _, _, payload in client.frames() if kind == 7]
    assert said and said[-1] == 0xB, said
    assert time.monotonic() - start < 5
    eventually(lambda: json.loads(ctl("ftp", "limits", "--json"))["sessions now"] == 0)


def failures_of_one_connection():
    """The streams of one HTTP/2 connection try five passwords together and no more; then it ends."""
    import base64

    before = log().count("why=\"wrong password\"")
    client = HTTP2()
    good = base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
    wrong = base64.b64encode(f"{ACCOUNT}:wrong".encode()).decode()
    for number in range(20):
        client.request(2 * number + 1, f"/a/{ACCOUNT}/hello.txt", [("authorization", f"Basic {wrong}")])
    # The right one comes too late on this connection.
    client.request(41, f"/a/{ACCOUNT}/hello.txt", [("authorization", f"Basic {good}")])
    frames = list(client.frames())
    assert not any(b"hello" in payload for kind, _, _, payload in frames if kind == 0), frames
    assert any(kind == 7 for kind, _, _, _ in frames), frames
    assert log().count("why=\"wrong password\"") - before == 5
    assert get("/hello.txt").status == 200


def one_way_to_read():
    """No Host or two, codings nobody knows, chunks that are none: one 400, and the connection ends (RFC 9112)."""
    start = f"GET /a/{ACCOUNT}/hello.txt HTTP/1.1\r\n{authorization()}"
    chunked = f"{start}Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    second = f"GET /a/{ACCOUNT}/hello.txt HTTP/1.1\r\n{authorization()}Host: x\r\n\r\n"
    for text in [
        start + "\r\n", start + "Host: x\r\nHost: y\r\n\r\n", start + "Host: x y\r\n\r\n", start + "Host: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        start + "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", chunked + "zz\r\n", chunked + "-1\r\n", chunked + "0x5\r\nhello\r\n0\r\n\r\n",
        chunked + "5\r\nhelloX\r\n0\r\n\r\n", chunked + "1\nx\r\n0\r\n\r\n", start + "Host : x\r\n\r\n", start + "Host: x\r\n more: y\r\n\r\n",
        start + "Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", start.replace("HTTP/1.1", "HTTP/1.0") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start.replace("\r\n", "\n") + "Host: x\n\n",
    ]:
        answer = raw_request((text + second).encode())
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1, (text, answer)
        assert b"connection: close" in answer and b"hello\nworld" not in answer, (text, answer)
    # What is well made is answered, whatever the cut, and so is what comes right behind it.
    whole = chunked + "5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n" + second.replace("Host: x\r\n", "Host: x\r\nConnection: close\r\n")
    for pieces in (1, 40):
        with tls_context(alpn=["http/1.1"]).wrap_socket(socket.create_connection((HOST, HTTPS), 10)) as sock:
            step = -(-len(whole) // pieces)
            for place in range(0, len(whole), step):
                sock.sendall(whole[place:place + step].encode())
            answer = b""
            while more := sock.recv(65536):
                answer += more
        assert answer.count(b"HTTP/1.1 200 OK") == 2 and answer.count(content("hello.txt")) == 2, answer


def listings_beside():
    """Whoever lists large folders holds up nobody: pages are made beside the loop, and kept."""
    folder = f"{TREE}/many"
    os.makedirs(folder)
    names = [f"package-{number:05d}-with-a-name-as-they-come.tar.gz" for number in range(6_000)]
    digest = hashlib.sha256(b"").hexdigest()
    for name in names:
        with open(f"{folder}/{name}", "wb"):
            pass
    with open(f"{TREE}/SHA256SUMS", "rb") as file:
        lines = file.read()
    os.chmod(f"{TREE}/SHA256SUMS", 0o644)
    with open(f"{TREE}/SHA256SUMS", "wb") as file:
        file.write(lines + b"".join(f"{digest}  many/{name}\n".encode() for name in names))
    get("/hello.txt")
    listings = [threading.Thread(target=get, args=(f"/many/?format=json&{number}",)) for number in range(12)]
    for thread in listings:
        thread.start()
    times = [timed(lambda: get("/hello.txt")) for _ in range(4)]
    for thread in listings:
        thread.join()
    assert min(times) < 0.5, times
    entries = json.loads(get("/many/?format=json").body)["entries"]
    assert [entry["name"] for entry in entries] == names and {entry["sha256"] for entry in entries} == {digest}
    page = get("/many/").body.decode()
    assert page.count("<tr><td><a href") == len(names) + 1 and page.endswith("</html>\n")
    # A page that was kept has its length; HTTP/1.0 knows no chunks and gets the end of the connection instead.
    kept = get("/many/?format=json", "--http1.1")
    assert int(kept.fields["content-length"]) == len(kept.body) and json.loads(kept.body)["entries"] == entries
    with open(f"{folder}/one-more", "wb"):
        pass
    old = raw_request(f"GET /a/{ACCOUNT}/many/?format=json HTTP/1.0\r\n{authorization()}\r\n".encode())
    head, body = old.split(b"\r\n\r\n", 1)
    assert b"chunked" not in head and len(json.loads(body)["entries"]) == len(names) + 1, head


def ranges_bounded():
    """Many ranges, and ranges over each other, cost no more than the file; HEAD says what GET would; HTTP/2 the same."""
    whole = content("big.iso")
    for version in ["--http1.1", "--http2"]:
        for asked in ["0-,0-", ",".join(f"{n}-{n}" for n in range(100)), ",".join(["-1"] * 17), "0-8388607,1-2", "5-2", "x", "1-2;3-4"]:
            answer = get("/big.iso", version, "-H", f"Range: bytes={asked}")
            assert answer.status == 200 and answer.body == whole, asked
        answer = get("/big.iso", version, "-H", "Range: bytes=10-19, 5-6 ,, -3")
        kind = answer.fields["content-type"]
        assert answer.status == 206 and kind.startswith("multipart/byteranges; boundary="), answer.fields
        parts = answer.body.split(b"--" + kind.split("=")[1].encode())[1:-1]
        assert [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts] == [whole[10:20], whole[5:7], whole[-3:]]
        assert [re.search(rb"content-range: (.*)\r", part).group(1).decode() for part in parts] == [
            f"bytes {first}-{last}/{len(whole)}" for first, last in [(10, 19), (5, 6), (len(whole) - 3, len(whole) - 1)]]
        assert base64(answer.fields["repr-digest"]) == hashlib.sha256(whole).digest()
        # RFC 9110 defines ranges for GET alone.
        for fields in [[], ["-r", "0-9"]]:
            head = get("/big.iso", version, "-I", *fields)
            assert head.status in (200, 206) and int(head.fields["content-length"]) in (len(whole), 10), head.fields
        assert get("/big.iso", version, "-H", "Range: lines=1-2").body == whole
        answer = get("/hello.txt", version, "-H", "If-Modified-Since: " + get("/hello.txt").fields["last-modified"])
        assert answer.status == 304 and answer.body == b"" and "etag" in answer.fields
    with open(f"{TREE}/d/none", "wb"):
        pass
    assert get("/d/none").body == b"" and get("/d/none", "-H", "Range: bytes=0-").status in (200, 416)


def none_of_ours():
    """Requests that are malformed, ambiguous or too large get one refusal at most, and the connection ends; nothing is fetched."""
    path, host = f"/a/{ACCOUNT}/hello.txt", "Host: x\r\n" + authorization()
    for text in [
        "\x16\x03\x01", "GET\r\n\r\n", f"GET {path}\r\n\r\n", f"GET {path} HTTP/9.9\r\n{host}\r\n",
        f"GET {path} HTTP/1.1\r\n{host}X: {'a' * 200_000}\r\n\r\n", f"GET {path} HTTP/1.1\r\n{host}" + "X: y\r\n" * 50_000 + "\r\n",
        f"GET /{'a' * 100_000} HTTP/1.1\r\n{host}\r\n", f"GET {path} HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        f"GET {path} HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n", f"GET {path} HTTP/1.1\r\n{host}Content-Length: 9999999999999\r\n\r\n" + "x" * 100_000,
        "USER anonymous\r\nPASS x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]:
        answer = raw_request(text.encode("latin-1"), wait=8)
        assert b"hello\nworld" not in answer and (answer == b"" or re.match(rb"HTTP/1\.[01] 4\d\d ", answer)), (text[:80], answer[:200])
        assert answer.count(b"HTTP/1.") <= 1, (text[:80], answer)
    # A body behind two lengths hides no second request.
    smuggled = f"GET {path} HTTP/1.1\r\nHost: y\r\n{authorization()}\r\n"
    text = f"POST {path} HTTP/1.1\r\n{host}Content-Length: {len(smuggled) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    answer = raw_request(text.encode(), wait=3)
    assert b"hello\nworld" not in answer, answer
    for path in [
        "/a/../../etc/passwd", f"/a/{ACCOUNT}/../{EXPIRED}/hello.txt", f"/a/{ACCOUNT}/%2e%2e/record", f"/a/{ACCOUNT}/..%2frecord", f"/a/{ACCOUNT}/d%2fone",
        f"/a/{ACCOUNT}/hello.txt%00", f"/a/{ACCOUNT}/hello.txt%0d%0aSet-Cookie:x=y", f"/a/{ACCOUNT}/%c0%ae%c0%ae/record", f"/a/{ACCOUNT}/" + "d/" * 300, f"/a/{ACCOUNT}/" + "x" * 4_000,
        f"/a/{ACCOUNT}/hello.txt/", f"/a/{ACCOUNT}/hello.txt/x", "/a/", "/", "//", f"/b/{ACCOUNT}/hello.txt", "/a/%", f"/a/{ACCOUNT}/%zz", "/proc/self/environ",
    ]:
        answer = Answer("--path-as-is", f"https://localhost:{HTTPS}{path}", check=False)
        assert answer.status in (400, 404, 414) and b"record" not in answer.body, (path, answer.status, answer.body)
        assert "set-cookie" not in answer.fields, path
    for method in ["PUT", "POST", "DELETE", "PATCH", "MKCOL", "PROPFIND", "OPTIONS", "TRACE", "CONNECT"]:
        answer = raw_request(f"{method} /a/{ACCOUNT}/hello.txt HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1\.1 40[05] ", answer), (method, answer)
    assert get("/hello.txt").body == content("hello.txt")


def refused_alike():
    """Wrong, unknown, expired, revoked: one answer after one time; ten wrong passwords lock one address out of one account."""
    revoked = "dddddddddddddddd"
    os.makedirs(f"{AREA}/.withdrawn/{revoked}")
    kinds = {"wrong": ACCOUNT, "unknown": "zzzzzzzzzzzzzzzz", "expired": EXPIRED, "revoked": revoked}
    answers, times = {}, {}

    def attempt(kind):
        start = time.monotonic()
        url = f"https://localhost:{HTTPS}/a/{kinds[kind]}/hello.txt"
        answer = Answer(url, user=["--user", f"{kinds[kind]}:x"])
        times.setdefault(kind, []).append(time.monotonic() - start)
        answers.setdefault(kind, set()).add((answer.status, answer.body, answer.fields["www-authenticate"]))

    for _ in range(10):
        threads = [threading.Thread(target=attempt, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set().union(*answers.values())) == 1 and len(answers) == 4, answers
    means = {kind: sum(values) / len(values) for kind, values in times.items()}
    assert min(means.values()) > 0.45 and max(means.values()) - min(means.values()) < 0.1, means
    # ftp.lockout-time is 7 s here; FTP and HTTPS keep one book.
    assert get("/hello.txt").status == 401
    client = Client()
    client.expect(f"USER {ACCOUNT}", 331)
    client.expect(f"PASS {PASSWORD}", 530)
    signed_in(source="127.0.0.2").expect("NOOP", 200)
    assert get("/hello.txt", "--interface", "127.0.0.2").status == 200
    eventually(lambda: get("/hello.txt").status == 200, 20)


def slow_requests():
    """Handshakes, requests and bodies that drip, and connections that say nothing: gone by ftp.login-timeout and ftp.idle-timeout,
    5 and 10 s here, while an honest client waits no longer than ever."""
    before = descriptors()
    normal = min(timed(lambda: get("/hello.txt")) for _ in range(3))
    context = tls_context(alpn=["http/1.1"])

    def open_one():
        return context.wrap_socket(socket.create_connection((HOST, HTTPS), 10))

    held = {"handshake": [socket.create_connection((HOST, HTTPS), 10) for _ in range(50)]}
    for kind, text in [
        ("silent", ""), ("head", f"GET /a/{ACCOUNT}/hello.txt HTTP/1.1\r\nHost: x\r\nX: "), ("body", f"GET /a/{ACCOUNT}/hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"),
    ]:
        held[kind] = [open_one() for _ in range(30)]
        for sock in held[kind]:
            sock.sendall(text.encode())
    for sock in held["handshake"]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    slow = min(timed(lambda: get("/hello.txt")) for _ in range(3))
    assert slow < 2 * normal + 0.05, (normal, slow)
    for _ in range(36):
        time.sleep(0.5)
        for kind in ["handshake", "head", "body"]:
            for sock in held[kind]:
                try:
                    sock.sendall(b"a")
                except (OSError, ssl.SSLError):
                    pass
    eventually(lambda: descriptors() <= before + 8, 5)
    assert json.loads(ctl("ftp", "limits", "--json"))["sessions now"] == 0
    # A client that reads slowly but reads is none of these.
    slow = subprocess.Popen(["curl", "-sSk", "--limit-rate", "500k", *USER, f"{BASE}/big.iso", "-o", f"{AREA}/../slow"])
    assert slow.wait(60) == 0 and open(f"{AREA}/../slow", "rb").read() == content("big.iso")


if __name__ == "__main__":
    for case in sys.argv[1:]:
        globals()[case]()
