#!/usr/bin/python3
"""Data connections: ports, addresses, balancers, the order of replies, rates. `ftp_data.py CASE` runs one row, and fails loudly.

The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from ftp_wire import *


def connect(port, source=None, host=HOST):
    return socket.create_connection((host, port), 10, source_address=(source, 0) if source else None)


def begin(client, name):
    client.raw(f"RETR {name}\r\n".encode())
    assert client.reply().startswith("150")


def last_transfer(path):
    """The structured log's line about it."""
    eventually(lambda: any(" transfer " in line and f"path=/{path} " in line for line in log().splitlines()))
    return [line for line in log().splitlines() if " transfer " in line and f"path=/{path} " in line][-1]


# ---- passive


def small_port_range():
    """Four ports for two workers here: sessions of different addresses share one, and each gets its own file and no other."""
    clients = []
    for number in range(2, 18):
        address = f"127.0.0.{number}"
        with open(f"{TREE}/d/for-{number}", "wb") as file:
            file.write(address.encode())
        clients.append((signed_in(source=address), address, f"d/for-{number}"))

    def ports():
        return [client.passive() for client, _, _ in clients]

    # Everybody connects before anybody asks, in another order.
    first = ports()
    assert set(first) <= {40000, 40001, 40002, 40003}, first
    opened = [connect(port, address) for port, (_, address, _) in zip(first, clients)]
    for (client, address, name), data in reversed(list(zip(clients, opened))):
        begin(client, name)
        assert drain(data) == address.encode(), (address, name)
        assert client.reply().startswith("226")
    # Everybody asks before anybody connects.
    second = ports()
    for client, _, name in clients:
        begin(client, name)
    for port, (client, address, name) in reversed(list(zip(second, clients))):
        assert drain(connect(port, address)) == address.encode(), (address, name)
        assert client.reply().startswith("226")
    # Who belongs to none of them gets nothing, and keeps nobody from theirs.
    third = ports()
    for port in [port for port in set(third) if third.count(port) > 1] * 12:
        # At a shared port a crowd is sent away before anybody asks for anything.
        assert loot(approach(port, "127.0.0.98")) == b"", "a stranger got data"
    for port, (client, address, name) in zip(third, clients):
        thief = approach(port, "127.0.0.99")
        begin(client, name)
        assert loot(thief) == b"", "a stranger got data"
        assert drain(connect(port, address)) == address.encode()
        assert client.reply().startswith("226")
    eventually(lambda: log().count("data connection from another address refused") >= len(clients))
    # One who goes takes nothing from those who stay.
    last = ports()
    stays = clients[0][0]
    begin(stays, "huge.bin")
    for client, _, _ in clients[1:]:
        client.close()
    data = connect(last[0], clients[0][1])
    assert drain(data) == content("huge.bin") and stays.reply().startswith("226")
    # One address cannot have more sessions at data than there are ports: which of two it means cannot be told.
    same = [signed_in() for _ in range(9)]
    replies = [client("EPSV")[:3] for client in same]
    assert set(replies) == {"229", "425"} and replies.count("229") <= 4, replies
    refused = same[replies.index("425")]
    refused.expect("NOOP", 200)
    for client, reply in zip(same, replies):
        if reply == "229":
            client.close()
    stays.close()
    eventually(lambda: refused("EPSV").startswith("229"))
    assert refused.transfer("RETR hello.txt")[1] == content("hello.txt")


def approach(port, source):
    """A connection, or None where it was sent away at once."""
    try:
        return connect(port, source)
    except ConnectionError:
        return None


def loot(thief):
    """What it got until the server let go."""
    try:
        return drain(thief) if thief else b""
    except ConnectionError:
        return b""


def announced_address():
    """ftp.address is 0.0.0.0 here, and ftp.passive-address localhost, 127.0.0.2/32=0.0.0.0: the address of a name, or that of the
    control connection."""
    client = Client(host="127.0.0.3").login()
    assert "(127,0,0,1," in client("PASV")
    # EPSV announces none, and so works anywhere.
    port = client.passive()
    begin(client, "hello.txt")
    assert drain(connect(port, host="127.0.0.3")) == content("hello.txt") and client.reply().startswith("226")
    client = Client(host="127.0.0.3", source="127.0.0.2").login()
    assert "(0,0,0,0," in client("PASV")


def unknown_name():
    """A name that nobody knows is a fault of the configuration, which --check names."""
    run = subprocess.run(
        [f"/proc/{PID}/exe", "--config", "/dev/null", "--set", "ftp.passive-address=no-such-host.invalid", "--check"], capture_output=True, text=True, timeout=60)
    assert run.returncode != 0 and "ftp.passive-address: no-such-host.invalid is neither" in run.stdout + run.stderr, run


# ---- active


def own_privileged_port():
    """PORT to a port below 1024 of the client's own address: refused, and nobody connects."""
    client = signed_in()
    try:
        listener = socket.create_server((HOST, 1023))
        listener.settimeout(0.5)
    except PermissionError:
        listener = None
    for command in ["PORT 127,0,0,1,3,255", "EPRT |1|127.0.0.1|1023|", "PORT 127,0,0,1,0,0", "EPRT |1|127.0.0.1|0|"]:
        client.expect(command, 504)
        client.expect("RETR hello.txt", 425)
    if listener:
        try:
            listener.accept()
            raise AssertionError("a privileged port was connected to")
        except TimeoutError:
            pass
    # A client that does not listen is told so at once, and can go on.
    client.expect("PORT 127,0,0,1,200,201", 200)
    client.raw(b"RETR hello.txt\r\n")
    assert client.reply().startswith("150") and client.reply().startswith("425")
    assert client.transfer("RETR hello.txt")[1] == content("hello.txt")


# ---- balancers


def v1(kind, address, port=40000):
    return f"PROXY {kind} {address} {'::1' if kind == 'TCP6' else '127.0.0.1'} {port} 21\r\n".encode()


def v2(command, family, body):
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


def proxied_kinds():
    """ftp.proxies lists 127.0.0.0/8 here: IPv6, health checks, further fields; what is no header ends the connection."""
    six = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack("!HH", 40001, 21)
    four = socket.inet_aton("192.0.2.9") + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40002, 21)
    for header, shown in [
        (v1("TCP6", "2001:db8::9"), "[2001:db8::9]:40000"), (v2(1, 0x21, six), "[2001:db8::7]:40001"),
        (v2(1, 0x11, four + b"\x04\x00\x05hello"), "192.0.2.9:40002"),
        # The balancer itself, or who it cannot name.
        (b"PROXY UNKNOWN\r\n", "127.0.0.1:"), (b"PROXY UNKNOWN ffff:f...f ffff:f...f 65535 65535\r\n", "127.0.0.1:"), (v2(0, 0x00, b""), "127.0.0.1:"),
    ]:
        client = Client(preamble=header).login()
        assert f"Connected from {shown}" in client("STAT"), (header, client("STAT"))
        if shown.startswith("["):
            client.expect("PASV", 522)
            client.expect("PORT 127,0,0,1,200,200", 504)
            client.expect("EPRT |2|::1|50000|", 504)
    for junk in [
        b"USER x\r\n", b"PROXY TCP4 192.0.2.9 127.0.0.1 40000\r\n", b"PROXY TCP4 300.0.2.9 127.0.0.1 40000 21\r\n", b"PROXY TCP4 192.0.2.9 127.0.0.1 99999 21\r\n",
        b"PROXY " + b"A" * 200 + b"\r\n", v2(1, 0x11, four[:6]), v2(2, 0x11, four), b"\r\n\r\n\x00\r\nQUIT\n\x11\x11\x00\x0c" + four,
    ]:
        client = Client(greet=False)
        client.raw(junk)
        client.expect_end()
    eventually(lambda: "no PROXY header" in log())
    # Implicit TLS begins behind the header.
    client = Client(port=IMPLICIT, preamble=v1("TCP4", "192.0.2.9"), implicit=True)
    client.login()
    assert "Connected from 192.0.2.9:40000" in client("STAT")


def proxied_others():
    """ftp.proxies lists 192.0.2.0/24 here: nobody else's header is believed, at control or data."""
    client = Client()
    assert client("PROXY TCP4 192.0.2.9 127.0.0.1 40000 21")[:3] in ("500", "530")
    client.login()
    assert "Connected from 127.0.0.1:" in client("STAT")
    client = Client(greet=False)
    client.raw(v2(1, 0x11, socket.inet_aton("192.0.2.9") + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 21)))
    replies = [client.reply()[:3] for _ in range(4)]
    # Two empty lines, and a NUL.
    assert replies == ["220", "530", "530", "500"], replies
    client.expect_end()
    client = signed_in()
    thief = connect(client.passive(), "127.0.0.2")
    thief.sendall(v1("TCP4", HOST))
    begin(client, "hello.txt")
    try:
        assert drain(thief) == b"", "a header took a data connection over"
    except ConnectionResetError:
        pass
    assert client("ABOR")[:3] == "426" and client.reply().startswith("226")


# ---- order of replies


def success_is_never_early():
    """226 comes once the kernel has all, and not while the client has yet to take it; in clear and under TLS."""
    for client in [signed_in(), Client().secure(tls_context(ssl.TLSVersion.TLSv1_2)), Client().secure()]:
        client("NOOP")
        data = client.open_data()
        begin(client, "huge.bin")
        if client.is_protected:
            data = client.context.wrap_socket(data, session=client.sock.session)
        assert client.reply_is_missing(1.5), client.buffer
        got = data.recv(1000)
        assert client.reply_is_missing(0.3), client.buffer
        assert got + drain(data) == content("huge.bin")
        assert client.reply().startswith("226")


def broken_is_never_success():
    """A peer that goes away without close_notify, or breaks the connection in any other way: 426, and the log says incomplete."""
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        client = Client().secure(tls_context(version))
        client("NOOP")
        for how in ["fin", "reset", "garbage"]:
            data = client.open_data()
            begin(client, "huge.bin")
            data = client.context.wrap_socket(data, session=client.sock.session)
            data.recv(1000)
            if how == "garbage":
                # Not TLS any more; then nothing is read.
                raw = socket.socket(fileno=os.dup(data.fileno()))
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
                raw.close()
            if how == "reset":
                data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            data.close()
            assert client.reply().startswith("426"), (version, how)
            assert "complete=false" in last_transfer("huge.bin"), (version, how)
        assert client.transfer("RETR hello.txt")[1] == content("hello.txt")
    # A control connection that ends without close_notify may have been cut by anybody: its transfer ends with it.
    client = Client().secure()
    client("NOOP")
    before = log().count("path=/huge.bin ")
    data = client.open_data()
    begin(client, "huge.bin")
    data = client.context.wrap_socket(data, session=client.sock.session)
    data.recv(1000)
    socket.socket(fileno=os.dup(client.sock.fileno())).shutdown(socket.SHUT_WR)
    eventually(lambda: log().count("path=/huge.bin ") == before + 1)
    assert "complete=false" in last_transfer("huge.bin")
    try:
        assert len(drain(data)) < len(content("huge.bin"))
    except (ConnectionResetError, ssl.SSLError):
        pass


def aborts_in_every_phase():
    """426 and 226 while there is something to stop, 226 alone otherwise; the session goes on as if nothing had been."""

    def aborted(client, count=1):
        client.raw(b"ABOR\r\n" * count)
        assert client.reply().startswith("426")
        for _ in range(count):
            assert client.reply().startswith("226")
        assert client.reply_is_missing()
        assert client.transfer("RETR hello.txt") == ("226 Transfer complete.", content("hello.txt"))

    for secure in [False, True]:
        client = Client().secure() if secure else signed_in()
        client.expect("ABOR", 226)
        client.passive()
        client.expect("ABOR", 226)
        # Nobody has connected; somebody has, and says nothing; they read nothing; twice in one segment.
        for connects in [False, True]:
            for count in [1, 3]:
                port = client.passive()
                data = connect(port) if connects else None
                begin(client, "huge.bin")
                time.sleep(0.05)
                aborted(client, count)
                if data:
                    data.close()
        # In front of data that an active connection would bring: the client does not accept.
        listener = socket.create_server((HOST, 0), backlog=1)
        client.expect(f"EPRT |1|{HOST}|{listener.getsockname()[1]}|", 200)
        begin(client, "huge.bin")
        aborted(client)
        # Listings, too.
        for index in range(2_000 if not secure else 0):
            os.makedirs(f"{TREE}/tree/{index % 50}/{index}", exist_ok=True)
        data = client.open_data()
        client.raw(b"LIST -R tree\r\n")
        assert client.reply().startswith("150")
        time.sleep(0.1)
        client.raw(b"ABOR\r\n")
        first = client.reply()
        assert first[:3] in ("426", "226") and client.reply().startswith("226"), first
        data.close()
        assert client.transfer("RETR hello.txt")[1] == content("hello.txt")


def answers_wait_their_turn():
    """While a transfer runs: STAT at once, everything else afterwards and in order, QUIT last."""
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\nNOOP\r\nCWD d\r\nPWD\r\nSIZE one\r\n")
    assert client.reply().startswith("150")
    data.recv(1000)
    for _ in range(3):
        assert client("STAT").startswith("211 A transfer is running")
    assert client.reply_is_missing(0.3), client.buffer
    drain(data)
    assert [client.reply()[:3] for _ in range(5)] == ["226", "200", "250", "257", "213"]
    # More than the server holds back is left in the client's hands, and lost by neither.
    client.expect("CWD /", 250)
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\n")
    assert client.reply().startswith("150")
    data.recv(1000)
    sender = threading.Thread(target=lambda: client.raw(b"NOOP\r\n" * 20_000 + b"QUIT\r\n"))
    sender.start()
    drain(data)
    assert client.reply().startswith("226")
    assert all(client.reply().startswith("200") for _ in range(20_000)) and client.reply().startswith("221")
    client.expect_end()
    sender.join()


# ---- rates


def one_rate_for_all():
    """ftp.rate is 8,192 KiB/s here, for FTP, FTPS and HTTPS together, and nobody gets much more than another."""
    ended = {}
    start = time.monotonic()

    def run(name, body):
        assert body() == content("big.iso"), name
        ended[name] = time.monotonic() - start

    def https():
        command = ["curl", "-sSk", "--user", f"{ACCOUNT}:{PASSWORD}", f"https://localhost:{HTTPS}/a/{ACCOUNT}/big.iso"]
        return subprocess.run(command, capture_output=True, check=True).stdout

    plain, protected = signed_in(), Client().secure()
    protected("NOOP")
    threads = [
        threading.Thread(target=run, args=work)
        for work in [("ftp", lambda: plain.transfer("RETR big.iso")[1]), ("ftps", lambda: protected.transfer("RETR big.iso")[1]), ("https", https)]
    ]
    for thread in threads:
        thread.start()
    other = signed_in()
    assert timed(lambda: other.expect("NOOP", 200)) < 0.2
    for thread in threads:
        thread.join()
    # 24 MiB at 8 MiB/s.
    assert len(ended) == 3 and 2.6 < max(ended.values()) < 4.5, ended
    assert min(ended.values()) > 0.7 * max(ended.values()), ended


if __name__ == "__main__":
    globals()[sys.argv[1]]()
