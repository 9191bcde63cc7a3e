#!/usr/bin/python3
"""Certificates by server name, their exchange, and whose TLS session a data connection resumes: `ftp_tls.py CASE...`.

The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys

from ftp_wire import *

TLS = os.environ.get("FFS_TLS", "")
REUSE = os.environ.get("FFS_REUSE", "")
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


# ---- certificates


def certificate(path, name, key=None, kind="ec"):
    """A self-signed certificate of `name`; beside it its key, or in the same file."""
    algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else ["-newkey", "rsa:2048"]
    subprocess.run(
        ["openssl", "req", "-x509", *algorithm, "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
         f"subjectAltName=DNS:{name}", "-keyout", f"{TLS}/new.key", "-out", f"{TLS}/new.pem"], check=True, capture_output=True)
    if key:
        os.rename(f"{TLS}/new.key", key)
    else:
        with open(f"{TLS}/new.pem", "a") as file:
            file.write(open(f"{TLS}/new.key").read())
    os.rename(f"{TLS}/new.pem", path)


def shown(name, *words):
    """Subject and fingerprint that a client which asks for `name` sees."""
    asked = ["-servername", name] if name else ["-noservername"]
    run = subprocess.run(["openssl", "s_client", *asked, *words], input=b"", capture_output=True, timeout=20)
    facts = subprocess.run(["openssl", "x509", "-noout", "-subject", "-fingerprint"], input=run.stdout.decode(), capture_output=True, text=True)
    return re.search(r"CN ?= ?(\S+)", facts.stdout).group(1), facts.stdout.splitlines()[-1]


WAYS = {
    "HTTPS": ["-connect", f"{HOST}:{HTTPS}"],
    "FTPS": ["-connect", f"{HOST}:{PORT}", "-starttls", "ftp"],
    "implicit": ["-connect", f"{HOST}:{IMPLICIT}", "-tls1_2"],
}


def server_names():
    """ftp.more-certificates: files.example (RSA, two files) and *.wild.example (one file)."""
    for way, words in WAYS.items():
        for asked, seen in {
            "files.example": "files.example", "FILES.EXAMPLE": "files.example", "a.wild.example": "*.wild.example",
            "a.b.wild.example": "localhost", "other.example": "localhost", "localhost": "localhost", None: "localhost",
        }.items():
            assert shown(asked, *words)[0] == seen, (way, asked)
    body = subprocess.run(
        ["curl", "-sS", "--cacert", f"{TLS}/files.pem", "--resolve", f"files.example:{HTTPS}:{HOST}", "--user", f"{ACCOUNT}:{PASSWORD}",
         f"https://files.example:{HTTPS}/a/{ACCOUNT}/hello.txt"], capture_output=True)
    assert body.stdout == b"hello\nworld\n", body.stderr


def hang_up(expected):
    """SIGHUP, then the log's line about it."""
    lines = len(log().splitlines())
    os.kill(PID, signal.SIGHUP)
    eventually(lambda: any(re.search(expected, line) for line in log().splitlines()[lines:]))


def exchange():
    """All certificates at once, without dropping a session; what cannot be used changes nothing and is named."""
    client = Client().secure()
    before = {name: shown(name, *WAYS["HTTPS"]) for name in ["localhost", "files.example", "a.wild.example"]}
    good = {name: open(f"{TLS}/{name}", "rb").read() for name in os.listdir(TLS)}

    def unchanged():
        assert {name: shown(name, *WAYS["HTTPS"]) for name in before} == before
        client.expect("NOOP", 200)

    def restore():
        for name, text in good.items():
            with open(f"{TLS}/{name}", "wb") as file:
                file.write(text)

    for name in ["cert.pem", "key.pem", "files.pem", "files.key", "wild.pem"]:
        with open(f"{TLS}/{name}", "wb") as file:
            file.write(good[name][:100] + b"garbage")
        hang_up(rf"reload failed.*{TLS}/{name}")
        unchanged()
        restore()
    # Each is fine, but they do not belong together.
    with open(f"{TLS}/files.key", "wb") as file:
        file.write(good["key.pem"])
    hang_up(rf"reload failed.*{TLS}/files.key.*does not belong")
    unchanged()
    os.remove(f"{TLS}/files.key")
    hang_up(rf"reload failed.*{TLS}/files.key")
    os.mkdir(f"{TLS}/files.key")
    hang_up(rf"reload failed.*{TLS}/files.key")
    os.rmdir(f"{TLS}/files.key")
    unchanged()
    restore()
    certificate(f"{TLS}/cert.pem", "localhost", f"{TLS}/key.pem")
    certificate(f"{TLS}/files.pem", "files.example", f"{TLS}/files.key")
    certificate(f"{TLS}/wild.pem", "*.wild.example")
    hang_up("ffsftpd: reloaded")
    eventually(lambda: shown("localhost", *WAYS["HTTPS"]) != before["localhost"])
    for way in WAYS.values():
        for name, old in before.items():
            assert shown(name, *way)[0] == old[0] and shown(name, *way) != old, name
    # The session from before goes on, and its data connections resume it.
    assert client.transfer("RETR hello.txt") == ("226 Transfer complete.", b"hello\nworld\n") and client.data_reused


# ---- resumption


def contexts():
    """How a client may resume: by session id, by ticket, by TLS 1.3's."""
    ids = tls_context(V12)
    ids.options |= ssl.OP_NO_TICKET
    return {"1.2 ids": ids, "1.2 tickets": tls_context(V12), "1.3 tickets": tls_context(V13)}


def borrowed(client, session):
    """The reply to RETR on a data connection that offers `session`, and whether it was resumed."""
    data = client.open_data()
    client.raw(b"RETR hello.txt\r\n")
    client.reply()
    try:
        data = client.context.wrap_socket(data, session=session)
        reused = data.session_reused
        drain(data)
        data.unwrap()
    except (OSError, ssl.SSLError):
        reused = None
    data.close()
    return client.reply(), reused


def resumption():
    """ftp.tls-reuse is REUSE here."""
    for kind, context in contexts().items():
        client = Client().secure(context)
        session = client.sock.session
        assert (len(session.id) == 32 and not session.has_ticket) if kind == "1.2 ids" else session.has_ticket, kind
        for _ in range(3):
            assert client.transfer("RETR hello.txt") == ("226 Transfer complete.", b"hello\nworld\n"), kind
            assert client.data_reused, kind
        # Without any, and with another's: who has resumed once does so each time, but may have several sessions.
        stranger = Client().secure(context)
        for offered, refusing in [(None, ["require", "prefer"]), (stranger.sock.session, ["require"])]:
            reply, reused = borrowed(client, offered)
            assert not reused, (kind, offered)
            assert reply.startswith("522" if REUSE in refusing else "226"), (kind, offered, reply)
        # Who has never resumed may go on so.
        for _ in range(2):
            reply, reused = borrowed(stranger, None)
            assert not reused and reply.startswith("522" if REUSE == "require" else "226"), (kind, reply)
        assert client.transfer("RETR hello.txt")[0].startswith("226") and client.data_reused
        # A transfer that breaks does not end the session.
        data = client.open_data()
        client.raw(b"RETR big.iso\r\n")
        client.reply()
        data = context.wrap_socket(data, session=client.sock.session)
        data.recv(1000)
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        data.close()
        assert client.reply().startswith("426")
        assert client.transfer("RETR hello.txt")[0].startswith("226") and client.data_reused
        # A control connection may resume an earlier one; its data connections then resume it.
        again = Client()
        again.context = context
        again.expect("AUTH TLS", 234)
        again.wrap(session=client.sock.session)
        assert again.sock.session_reused, kind
        again.login().protect()
        again.is_protected = True
        for each in [again, client]:
            assert each.transfer("RETR hello.txt")[0].startswith("226") and each.data_reused, kind
        # Under new TLS the count begins anew.
        if REUSE == "prefer":
            fresh = Client().secure(context)
            assert fresh.transfer("RETR hello.txt", session=False)[0].startswith("226")


def is_closed(data):
    """Whether the server has let `data` go, in order or by a reset."""
    data.settimeout(10)
    try:
        return data.recv(1) == b""
    except ConnectionResetError:
        return True


def early():
    """TLS on a data connection is agreed before the command: curl asks nothing until then. ftp.data-timeout is 3 here."""
    hello = ("226 Transfer complete.", b"hello\nworld\n")
    for kind, context in contexts().items():
        client = Client().secure(context)
        for name, size in [("hello.txt", 12), ("big.iso", os.path.getsize(f"{TREE}/big.iso"))]:
            data = client.open_data()
            data.settimeout(5)
            data = context.wrap_socket(data, session=client.sock.session)
            assert data.session_reused, kind
            assert client.expect(f"SIZE {name}", 213) == f"213 {size}"
            client.expect(f"RETR {name}", 150)
            assert len(drain(data)) == size, kind
            data.unwrap()
            assert client.reply().startswith("226"), kind
            data.close()
    # No TLS at all: the transfer is refused, and the session goes on.
    for nonsense in [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 300]:
        data = client.open_data()
        data.sendall(nonsense)
        client.expect("RETR hello.txt", 150)
        assert client.reply().startswith("522")
        data.close()
        assert client.transfer("RETR hello.txt") == hello
    # What is not to be used any more is closed.
    for command, code in [("EPSV", 229), ("PORT 127,0,0,1,200,200", 200), ("REIN", 220), ("QUIT", 221)]:
        client = Client().secure(context)
        data = context.wrap_socket(client.open_data(), session=client.sock.session)
        client.expect(command, code)
        assert is_closed(data), command
        if command == "EPSV":
            assert client.transfer("RETR hello.txt") == hello
    # PROT C: the next one is in clear.
    client = Client().secure(context)
    port = client.passive()
    data = context.wrap_socket(socket.create_connection((HOST, port), 15), session=client.sock.session)
    client.expect("PROT C", 200)
    client.expect("RETR hello.txt", 150)
    assert is_closed(data)
    data = socket.create_connection((HOST, port), 15)
    assert drain(data) == hello[1] and client.reply() == hello[0]
    # Nobody came back for it, and one that never says anything.
    for says in [True, False]:
        client = Client().secure(context)
        data = client.open_data()
        if says:
            data = context.wrap_socket(data, session=client.sock.session)
        assert is_closed(data)
        client.expect("NOOP", 200)
        assert client("RETR hello.txt").startswith("425")


def command_line():
    """openssl(1) without tickets resumes by id."""
    kept = f"{TLS}/session"
    words = ["openssl", "s_client", "-connect", f"{HOST}:{IMPLICIT}", "-tls1_2", "-no_ticket"]
    first = subprocess.run([*words, "-sess_out", kept], input=b"QUIT\r\n", capture_output=True)
    assert b"New, TLSv1.2" in first.stdout and b"TLS session ticket:" not in first.stdout, first.stdout[-2000:]
    # The other worker has other ids.
    for _ in range(20):
        again = subprocess.run([*words, "-sess_in", kept], input=b"QUIT\r\n", capture_output=True)
        if b"Reused, TLSv1.2" in again.stdout:
            return
    raise AssertionError(again.stdout[-2000:])


# ---- what is agreed


def protocols():
    """ALPN: `ftp` on control connections, that or `ftp-data` on data connections, HTTP's own on HTTPS; any other is refused,
    so that nobody can lead a browser's connection here or a client's to another service (ALPACA)."""

    def agreed(alpn, connect):
        try:
            return connect(tls_context(alpn=alpn))
        except (ssl.SSLError, OSError, EOFError):
            return "refused"

    def explicit(context):
        client = Client().auth(context)
        client.login()
        return client.sock.selected_alpn_protocol()

    def implicit(context):
        client = Client(port=IMPLICIT, context=context, implicit=True)
        client.login()
        return client.sock.selected_alpn_protocol()

    session = Client().secure()

    def data(context):
        data = session.open_data()
        session.raw(b"RETR hello.txt\r\n")
        assert session.reply().startswith("150")
        try:
            data = context.wrap_socket(data)
            assert drain(data) == b"hello\nworld\n"
            name = data.selected_alpn_protocol()
            data.unwrap()
        except (ssl.SSLError, OSError):
            assert session.reply().startswith("522")
            raise
        assert session.reply().startswith("226")
        return name

    def https(context):
        with context.wrap_socket(socket.create_connection((HOST, HTTPS), 10)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" if sock.selected_alpn_protocol() != "h2" else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert sock.recv(1000), "no answer"
            return sock.selected_alpn_protocol()

    for connect, wanted in [
        (explicit, {"": None, "ftp": "ftp", "ftp-data": "refused", "http/1.1": "refused", "h2 http/1.1": "refused", "x ftp": "ftp", "smtp": "refused"}),
        (implicit, {"": None, "ftp": "ftp", "ftp-data": "refused", "http/1.1": "refused", "h2": "refused"}),
        (data, {"": None, "ftp-data": "ftp-data", "ftp": "ftp", "http/1.1": "refused", "h2 http/1.1": "refused", "x": "refused"}),
        (https, {"": None, "h2 http/1.1": "h2", "http/1.1": "http/1.1", "ftp": "refused", "ftp-data": "refused", "imap": "refused"}),
    ]:
        for offered, name in wanted.items():
            assert agreed(offered.split() or None, connect) == name, (connect.__name__, offered, agreed(offered.split() or None, connect))
    # What a browser says to a port of FTP under TLS ends the session, and runs nothing.
    client = Client(port=IMPLICIT, implicit=True)
    client.raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER x\r\n")
    assert client.reply().startswith("530")
    try:
        client.expect_end()
    except ssl.SSLError:
        pass


def words():
    """The four words of AUTH: SSL and TLS-P protect data from the start, TLS and TLS-C do not; AUTH signs out."""
    for word, protects in [("TLS", False), ("TLS-C", False), ("SSL", True), ("TLS-P", True), ("tls", False), ("ssl", True)]:
        client = signed_in()
        client.expect(f"AUTH {word}", 234)
        client.wrap()
        client.expect("PWD", 530)
        client.login()
        assert ("TLS: control and data" in client("STAT")) == protects, word
        client.is_protected = protects
        assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n", word
        client.expect("AUTH TLS", 503)
    client = Client()
    client.expect("AUTH GSSAPI", 504)
    client.expect("AUTH", 501)


def every_end_is_told():
    """close_notify behind every kind of data, under TLS 1.2 and 1.3: without it nobody could tell an end from a cut."""
    for version in [V12, V13]:
        context = tls_context(version)
        # Python raises SSLEOFError for an end without close_notify when it is told not to ignore it.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        client = Client().secure(context)
        client("NOOP")
        for command in ["RETR hello.txt", "RETR big.iso", "LIST", "LIST -R", "NLST", "MLSD d", "NLST nothing*"]:
            reply, _ = client.transfer(command)
            assert reply.startswith("226"), (version, command, reply)
        client.expect("MODE Z", 200)
        assert client.transfer("RETR big.iso")[0].startswith("226")
        client.expect("QUIT", 221)
        assert client.sock.recv(100) == b"", "the control connection ends with close_notify as well"


# ---- levels


def level(setting):
    return os.environ["FFS_LEVELS"].split()[["control", "data"].index(setting)]


def levels():
    """ftp.tls-control and ftp.tls-data in all nine pairs: what may be done in clear, what under TLS, what FEAT says."""
    control, data = level("control"), level("data")
    client = Client()
    features = client("FEAT")
    assert (" AUTH " in features) == (control != "off"), features
    if control == "require":
        client.expect(f"USER {ACCOUNT}", 530)
        client.expect("PASS x", 503)
    else:
        client.login()
        for command in ["RETR hello.txt", "LIST", "NLST", "MLSD"]:
            client.passive()
            if data == "require":
                client.expect(command, 521)
            else:
                assert client.transfer(command)[0].startswith("226"), command
        client.expect("MLST hello.txt", 250)
    if control == "off":
        client.expect("AUTH TLS", 502)
        return client.expect("PROT P", 503)
    for word in ["TLS", "SSL"]:
        client = Client().auth(word=word).login()
        client.expect("PBSZ 0", 200)
        client.expect("PROT P", 534 if data == "off" else 200)
        client.is_protected = data != "off"
        assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"
        client.expect("PROT C", 534 if data == "require" else 200)
        client.is_protected = data == "require"
        assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"
    client = Client(port=IMPLICIT, implicit=True)
    client.login()
    client.is_protected = data != "off"
    assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"
    # Implied, but not where there is none.
    client = Client().auth(word="SSL").login()
    client.is_protected = data != "off"
    assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"


if __name__ == "__main__":
    for case in sys.argv[1:]:
        globals()[case]()
