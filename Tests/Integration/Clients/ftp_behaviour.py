#!/usr/bin/python3
"""What real clients rely on, and what operators do: `ftp_behaviour.py CASE` runs one row, and fails loudly.

The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import ftplib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib

from ftp_wire import *

# ---- replies


def passive_replies_are_one_segment():
    """conntrack helpers look at the start of a segment."""
    client = signed_in()
    for command, pattern in [("PASV", rb"227 Entering Passive Mode \(\d+(,\d+){5}\)\.\r\n"), ("EPSV", rb"229 [^\r]*\(\|\|\|\d+\|\)\r\n")]:
        client.raw(command.encode() + b"\r\n")
        got = client.sock.recv(65536)
        assert re.fullmatch(pattern, got), got


def one_final_reply():
    """FileZilla fails on extra final replies; a 150 comes before a data connection is made."""
    client = signed_in()
    port = client.passive()
    client.raw(b"RETR hello.txt\r\n")
    assert client.reply().startswith("150")
    data = socket.create_connection((HOST, port), 5)
    assert drain(data) == b"hello\nworld\n"
    assert client.reply().startswith("226")
    client.raw(b"NOOP\r\n")
    assert client.reply().startswith("200")
    assert client.buffer == b""


def listing_options():
    client = signed_in()
    plain = client.transfer("LIST")
    for options in ["-a", "-la", "-al", "-L", "-1", "-l -a", "-- "]:
        assert client.transfer(f"LIST {options}") == plain, options
    assert client.transfer("NLST -a")[1] == client.transfer("NLST")[1]
    for line in plain[1].decode().splitlines():
        assert re.match(r"[d-]([r-]-[x-]){3} +\d+ \w+ +\w+ +\d+ \w{3} [ \d]\d [ \d]\d[\d:]\d\d \S", line), line
    assert client.transfer("LIST hello.txt")[1].count(b"\r\n") == 1
    assert client.transfer("NLST d/*")[1].split(b"\r\n")[0].startswith(b"d/")
    assert client.transfer("LIST nothing")[0].startswith("450")


def names_can_be_fetched():
    """RFC 1123 §4.1.2.7: what NLST says can be given to RETR."""
    client = signed_in()
    for argument, first in [("d", b"d/one"), ("d/", b"d/one"), ("/d", b"/d/one"), ("d/*", b"d/one"), ("./d", b"./d/one"), ("d/../d", b"d/../d/one"), ("-la d", b"d/one")]:
        names = client.transfer(f"NLST {argument}")[1].split(b"\r\n")
        assert names == [first, b""], (argument, names)
        assert client.transfer("RETR " + names[0].decode())[1] == b"1", argument
    bare = client.transfer("NLST")[1]
    for argument in [".", "./", "-a", "-a ."]:
        assert client.transfer(f"NLST {argument}")[1] == bare, argument
    client.expect("CWD d", 250)
    assert client.transfer("NLST")[1] == b"one\r\n" and client.transfer("NLST ..")[1].startswith(b"../SHA256SUMS\r\n")
    # LIST shows names as ls does.
    assert client.transfer("LIST /d")[1].endswith(b" one\r\n")


def sizes_are_announced():
    """150 tells the size as vsftpd does, of the whole file and only where the file's own bytes come; Python takes it from there."""
    client = signed_in()

    def opening(command):
        data = client.open_data()
        client.raw(command.encode() + b"\r\n")
        reply = client.reply()
        drain(data)
        assert client.reply().startswith("226")
        return reply

    assert opening("RETR hello.txt") == "150 Opening BINARY mode data connection for hello.txt (12 bytes)."
    assert opening("RETR d/one") == "150 Opening BINARY mode data connection for one (1 bytes)."
    client.expect("REST 6", 350)
    assert opening("RETR hello.txt").endswith(" (12 bytes).")
    client.expect("MODE Z", 200)
    assert opening("RETR hello.txt") == "150 Opening BINARY mode data connection for hello.txt."
    client.expect("MODE S", 200)
    client.expect("TYPE A", 200)
    assert opening("RETR hello.txt") == "150 Opening ASCII mode data connection for hello.txt."
    forged = "n" * 230 + " (5 bytes)"
    with open(f"{TREE}/{forged}", "wb") as file:
        file.write(b"123")
    python = ftplib.FTP()
    python.connect(HOST, PORT)
    python.login(ACCOUNT, PASSWORD)
    python.voidcmd("TYPE I")
    for name, size in [("big.iso", 8 << 20), (forged, 3)]:
        data, told = python.ntransfercmd(f"RETR {name}")
        assert told == size == len(drain(data)), (name, told)
        data.close()
        python.voidresp()


def wrong_kinds_of_names():
    """Words fit what is wrong: a directory is no missing file."""
    client = signed_in()
    for command, reply in {
        "CWD hello.txt": "550 That is not a directory.", "SIZE d": "550 That is a directory, not a file.", "MDTM d": "550 That is a directory, not a file.",
        "HASH d": "550 That is a directory, not a file.", "XMD5 d": "550 That is a directory, not a file.", "SIZE hello.txt/": "550 That is not a directory.",
        "MDTM hello.txt/": "550 That is not a directory.", "SIZE nothing": "550 No such file or directory.", "CWD nothing": "550 No such file or directory.",
        "XCRC hello.txt 5 3": "501 The range ends before it starts.", "XCRC hello.txt 13": "554 The file has 12 bytes.", "STAT nothing": "450 No such file or directory.",
        "LIST nothing": "450 No such file or directory.", "NLST hello.txt/": "450 That is not a directory.",
    }.items():
        assert client(command) == reply, (command, client(command))
    client.passive()
    client.expect("RETR d", "550 That is a directory, not a file.")
    assert client("STAT hello.txt").startswith("213-") and client("STAT d").startswith("212-")


def names_with_a_single_ff():
    """Windows-1251 has a letter at 0xFF; its clients do not double it. Those that do get the same file."""
    names = [b"\xff.txt", b"\xff\xf1", b"a\xff", b"\xff"]
    for name in names:
        with open(TREE.encode() + b"/d/" + name, "wb") as file:
            file.write(name)
    client = signed_in()
    for name in names:
        for sent in [name, name.replace(b"\xff", b"\xff\xff")]:
            data = client.open_data()
            client.raw(b"RETR d/" + sent + b"\r\n")
            assert client.reply().startswith("150"), sent
            assert drain(data) == name and client.reply().startswith("226")


def times_agree():
    """FileZilla compares MDTM with LIST to find the server's timezone: both are UTC."""
    client = signed_in()
    modified = int(os.stat(TREE + "/hello.txt").st_mtime)
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(modified))
    assert client("MDTM hello.txt") == f"213 {stamp}"
    assert time.strftime("%H:%M", time.gmtime(modified)) in client.transfer("LIST hello.txt")[1].decode()
    assert f"modify={stamp};" in client("MLST hello.txt")
    client.expect("MDTM 20200101000000 hello.txt", 550)


def restart():
    """REST holds until the transfer, over EPSV; RANG; both once."""
    client = signed_in()
    client.expect("REST 6", 350)
    assert client.transfer("RETR hello.txt")[1] == b"world\n"
    assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"
    client.expect("RANG 2 4", 350)
    assert client.transfer("RETR hello.txt")[1] == b"llo"
    client.expect("REST 12", 350)
    assert client.transfer("RETR hello.txt") == ("226 Transfer complete.", b"")
    client.expect("REST 13", 350)
    client.passive()
    client.expect("RETR hello.txt", 554)
    whole = content("big.iso")
    for offset in [1, 65535, 4 << 20, len(whole) - 1]:
        client.expect(f"REST {offset}", 350)
        assert client.transfer("RETR big.iso")[1] == whole[offset:]


def restart_of_translated_bytes():
    """REST and RANG count stored bytes: where TYPE or STRU changed behind them nothing is sent, rather than all as if it were the rest."""
    for change, back in [("TYPE A", "TYPE I"), ("STRU R", "STRU F")]:
        for command in ["REST 6", "RANG 2 4"]:
            client = signed_in()
            client.expect(command, 350)
            client.expect(change, 200)
            client.passive()
            client.expect("RETR hello.txt", "554 REST and RANG need TYPE I")
            client.expect(back, 200)
            assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"


def representations():
    client = signed_in()
    client.expect("TYPE A", 200)
    assert client.transfer("RETR hello.txt")[1] == b"hello\r\nworld\r\n"
    client.expect("SIZE hello.txt", 550)
    client.expect("REST 3", 501)
    client.expect("TYPE I", 200)
    client.expect("SIZE hello.txt", "213 12")
    client.expect("STRU R", 200)
    assert client.transfer("RETR hello.txt")[1] == b"hello\xff\x01world\xff\x01\xff\x02"
    client.expect("STRU F", 200)
    client.expect("TYPE A", 200)
    big = content("big.iso")
    got = client.transfer("RETR big.iso")[1]
    assert got == re.sub(rb"(?<!\r)\n", rb"\r\n", big)


def mode_z():
    """Files and listings as one whole zlib stream, in clear and under TLS, from any offset; the log counts what was sent."""
    for client in [signed_in(), Client().secure(tls_context(ssl.TLSVersion.TLSv1_2)), Client().secure()]:
        client("NOOP")
        assert "\n MODE Z\n" in client("FEAT")
        client.expect("MODE Z", 200)

        def deflated(command):
            reply, got = client.transfer(command)
            assert reply.startswith("226"), (command, reply)
            stream = zlib.decompressobj()
            plain = stream.decompress(got)
            assert stream.eof and not stream.unused_data, command
            return plain, got

        for name in ["hello.txt", "big.iso", "d/one", "SHA256SUMS"]:
            assert deflated(f"RETR {name}")[0] == content(name), name
        client.expect("SIZE hello.txt", "213 12")
        for offset in [1, 65_536, 8_000_000, 8 << 20]:
            client.expect(f"REST {offset}", 350)
            assert deflated("RETR big.iso")[0] == content("big.iso")[offset:]
        client.expect("RANG 100 70000", 350)
        assert deflated("RETR big.iso")[0] == content("big.iso")[100:70_001]
        client.expect("REST 13", 350)
        client.passive()
        client.expect("RETR hello.txt", 554)
        client.expect("TYPE A", 200)
        assert deflated("RETR hello.txt")[0] == b"hello\r\nworld\r\n"
        client.expect("TYPE I", 200)
        lists = [deflated(command)[0] for command in ["LIST", "NLST", "MLSD", "LIST -R", "NLST *.txt"]]
        client.expect("MODE S", 200)
        assert lists == [client.transfer(command)[1] for command in ["LIST", "NLST", "MLSD", "LIST -R", "NLST *.txt"]]
        assert client.transfer("RETR hello.txt")[1] == content("hello.txt")
    # Levels; an empty file; one that compresses a thousandfold costs no other transfer its turn.
    with open(TREE + "/text", "wb") as file:
        file.write(b"".join(b"line %d of some text\n" % index for index in range(50_000)))
    open(TREE + "/none", "w").close()
    with open(TREE + "/zeros", "wb") as file:
        file.truncate(2 << 30)
    client = signed_in()
    client.expect("MODE Z", 200)
    sizes = []
    for level in [1, 9]:
        client.expect(f"OPTS MODE Z LEVEL {level}", 200)
        got = client.transfer("RETR text")[1]
        assert zlib.decompress(got) == content("text")
        sizes.append(len(got))
    assert sizes[1] < sizes[0] < 600_000, sizes
    assert zlib.decompress(client.transfer("RETR none")[1]) == b""
    eventually(lambda: f" {sizes[1]} /text " in open(XFERLOG).read())
    assert any(f"bytes={sizes[1]} " in line and "mode=Z" in line and "path=/text" in line for line in log().splitlines())
    before, busy = own_memory(), []
    for _ in range(6):
        session = signed_in()
        session.expect("MODE Z", 200)
        session.data = session.open_data()
        session.raw(b"RETR zeros\r\n")
        session.reply()
        busy.append(session)
    plain = signed_in()
    # Two gibibytes of zeros take each of them seconds: whoever waited for one of them would never be so quick.
    eventually(lambda: timed(lambda: plain.transfer("RETR big.iso")) < 1, 60)
    assert own_memory() < before + 6 * 800, (before, own_memory())
    for session in busy:
        session.raw(b"ABOR\r\n")
        assert session.reply().startswith("426") and session.reply().startswith("226")
        session.expect("MODE S", 200)
        assert session.transfer("RETR hello.txt")[1] == content("hello.txt")


def during_a_transfer():
    """Only ABOR and STAT are looked at; the rest waits, in order."""
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR big.iso\r\nNOOP\r\nPWD\r\nXYZZY\r\n")
    assert client.reply().startswith("150")
    assert len(data.recv(1000)) > 0
    client.raw(b"STAT\r\n")
    assert client.reply().startswith("211 A transfer is running")
    assert len(drain(data)) > 1_000_000
    assert [client.reply()[:3] for _ in range(4)] == ["226", "200", "257", "500"]
    data = client.open_data()
    client.raw(b"RETR big.iso\r\nQUIT\r\n")
    client.reply()
    assert len(drain(data)) == len(content("big.iso"))
    assert client.reply().startswith("226") and client.reply().startswith("221")
    client.expect_end()


def half_closed():
    """A client that shuts its sending side down still gets what it asked for."""
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR big.iso\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.reply().startswith("150")
    assert drain(data) == content("big.iso")
    assert client.reply().startswith("226")
    client.expect_end()


def digests():
    client = signed_in()
    whole = content("big.iso")
    sha = hashlib.sha256(whole).hexdigest()
    assert client("HASH big.iso") == f"213 SHA-256 0-{len(whole) - 1} {sha} big.iso"
    assert client("XSHA256 big.iso") == f"250 {sha.upper()}"
    assert client("XMD5 big.iso") == f"250 {hashlib.md5(whole).hexdigest().upper()}"
    assert client("XSHA1 big.iso 0 99") == f"250 {hashlib.sha1(whole[:100]).hexdigest().upper()}"
    assert client("XSHA512 hello.txt 6") == f"250 {hashlib.sha512(b'world' + bytes([10])).hexdigest().upper()}"
    client.expect("OPTS HASH MD5", 200)
    client.expect("RANG 0 4", 350)
    assert client("HASH hello.txt") == f"213 MD5 0-4 {hashlib.md5(b'hello').hexdigest()} hello.txt"
    client.expect("OPTS MLST type;x.hash;", 200)
    assert f"x.hash=SHA-256:{sha};" in client.transfer("MLSD")[1].decode()
    # One that must be read can be stopped.
    client.raw(b"XSHA512 huge.bin\r\nABOR\r\n")
    first = client.reply()
    assert first.startswith("426") and client.reply().startswith("226"), first


def digest_verbs():
    """HASH and the X verbs, with all algorithms, whole and in parts; the end of a part belongs to it."""
    client = signed_in()
    whole = content("big.iso")
    algorithms = {
        "SHA-256": ("XSHA256", lambda data: hashlib.sha256(data).hexdigest()), "SHA-512": ("XSHA512", lambda data: hashlib.sha512(data).hexdigest()),
        "SHA-1": ("XSHA1", lambda data: hashlib.sha1(data).hexdigest()), "MD5": ("XMD5", lambda data: hashlib.md5(data).hexdigest()),
        "CRC32": ("XCRC", lambda data: f"{zlib.crc32(data):08x}"),
    }
    for name, (verb, digest) in algorithms.items():
        client.expect(f"OPTS HASH {name}", f"200 {name}")
        assert f"{name}*;" in client("FEAT")
        assert client("HASH big.iso") == f"213 {name} 0-{len(whole) - 1} {digest(whole)} big.iso"
        client.expect("REST 8000000", 350)
        assert client("HASH big.iso") == f"213 {name} 8000000-{len(whole) - 1} {digest(whole[8_000_000:])} big.iso"
        client.expect("RANG 10 99", 350)
        assert client("HASH big.iso") == f"213 {name} 10-99 {digest(whole[10:100])} big.iso"
        assert client(f"{verb} big.iso") == f"250 {digest(whole).upper()}"
        assert client(f"{verb} big.iso 1000") == f"250 {digest(whole[1000:]).upper()}"
        assert client(f"{verb} big.iso 0 0") == f"250 {digest(whole[:1]).upper()}"
        assert client(f'{verb} "big.iso" 5 70000') == f"250 {digest(whole[5:70_001]).upper()}"
        client.expect(f"{verb} big.iso {len(whole) + 1}", 554)
    with open(TREE + "/setup 2", "wb") as file:
        file.write(b"a name that ends in a number")
    assert client("XMD5 setup 2") == "250 " + hashlib.md5(b"a name that ends in a number").hexdigest().upper()


def known_digests_are_not_computed():
    """SHA-256 of a whole file comes from SHA256SUMS: here it holds another, which a reader of the file could not find."""
    false = "0123456789abcdef" * 4
    path = TREE + "/SHA256SUMS"
    with open(path) as file:
        lines = file.read()
    with open(path, "w") as file:
        file.write(re.sub(r"[0-9a-f]{64}(?=  huge.bin)", false, lines))
    client = signed_in()
    assert client("HASH huge.bin").split()[3] == false
    assert client("XSHA256 huge.bin") == f"250 {false.upper()}"
    client.expect("OPTS MLST size;x.hash;", 200)
    assert f"x.hash=SHA-256:{false};" in client("MLST huge.bin") and f"x.hash=SHA-256:{false};" in client.transfer("MLSD")[1].decode()
    # A part of it has to be read.
    client.expect("RANG 0 99", 350)
    assert client("HASH huge.bin").split()[3] == hashlib.sha256(content("huge.bin")[:100]).hexdigest()


def facts():
    """MLST and MLSD: the facts asked for, in their order; never `unique`, which would show shared inodes."""
    client = signed_in()
    status = os.stat(TREE + "/hello.txt")
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(int(status.st_mtime)))
    client.expect("OPTS MLST unique;size;modify;type;media-type;perm;unix.mode;x.hash;nothing;", "200 MLST OPTS type;size;modify;perm;unix.mode;media-type;x.hash;")
    digest = hashlib.sha256(content("hello.txt")).hexdigest()
    wanted = f"type=file;size=12;modify={stamp};perm=r;unix.mode=0444;media-type=text/plain;x.hash=SHA-256:{digest};"
    assert client("MLST hello.txt") == f"250-Facts:\n {wanted} /hello.txt\n250 End"
    lines = client.transfer("MLSD")[1].decode().split("\r\n")
    assert f"{wanted} hello.txt" in lines, lines
    assert any(line.startswith("type=dir;") and "perm=el;" in line and line.endswith(" d") and "size=" not in line for line in lines), lines
    assert all("unique" not in line for line in lines)
    client.expect("OPTS MLST", 200)
    assert client.transfer("MLSD d")[1].decode().split("\r\n")[0].strip() in ("one", "; one", ".")
    assert client("MLST").split("\n")[1].startswith(" ")
    assert "MLST type;size;modify;perm;unix.mode;media-type;x.hash;" in client("FEAT")


def refusals_are_sentences():
    """What could write: the RFCs' code, and words that say why, before and after a data connection is set up."""
    client = signed_in()
    for command, code in {
        "STOR x": 550, "STOU": 550, "APPE x": 550, "DELE x": 550, "RMD d": 550, "XRMD d": 550, "MKD d": 550, "XMKD d": 550, "RNFR hello.txt": 550, "RNTO x": 503,
        "MFMT 20200101000000 hello.txt": 550, "MFCT 20200101000000 hello.txt": 550, "MFF modify=1; hello.txt": 550, "SMNT /": 502, "SITE CHMOD 777 hello.txt": 550,
        "SITE UTIME 20200101000000 hello.txt": 550, "ADAT x": 503, "MIC x": 502, "CONF x": 502, "ENC x": 502, "CCC": 533,
    }.items():
        for prepare in ["NOOP", "EPSV", "REST 5"]:
            client(prepare)
            reply = client.expect(command, code)
            assert re.fullmatch(r"\d{3} [A-Z].{15,}\.", reply), (command, reply)
    for verb in ["STOR", "DELE", "SMNT", "MIC"]:
        assert verb in client("HELP") and client(f"HELP {verb}").startswith("214")


def information():
    """What needs no file: each verb's words."""
    client = signed_in()
    for command, words in {
        "SITE WHO": f"Signed in to {ACCOUNT}", "STAT": "TYPE: I, STRU: F, MODE: S", "SITE HELP": "CHMOD and UTIME are refused", "HELP": "access: USER PASS",
        "HELP RANG": "RANG <first> <last>", "AVBL": "213 0", "AVBL d": "213 0", "ALLO 100 R 10": "202", "ACCT x": "202", "CSID Name=test;": "Name=FFS;", "CLNT test 1.0": "200",
        "LANG EN-us": "English", "SYST": "215 UNIX Type: L8", "STAT d": "one", "STAT hello.txt": " hello.txt", "NOOP": "200", "CCC": "533", "SITE UTIME x": "read-only",
        "SITE CHMOD 777 hello.txt": "read-only", "MFMT 20200101000000 hello.txt": "read-only", "HOST x": "503",
    }.items():
        assert words in client(command), (command, client(command))
    client = Client()
    client.expect("HOST ftp.example.com", 220)
    client.expect("HOST 127.0.0.1", 220)
    client.expect("HOST 192.0.2.1", 504)
    client.expect("HOST [::1]", 504)
    client.expect("CLNT test 2.0", 200)
    client.login()
    eventually(lambda: 'client="test 2.0"' in log())
    features = client("FEAT").split("\n")
    assert features[0] == "211-Extensions:" and features[-1] == "211 End"
    for line in ["UTF8", "TVFS", "MDTM", "SIZE", "REST STREAM", "RANG STREAM", "EPSV", "EPRT", "HOST", "LANG EN*", "MODE Z", "AUTH TLS;TLS-C;SSL;TLS-P;", "PBSZ", "PROT", "XCRC", "AVBL", "CSID", "CLNT"]:
        assert f" {line}" in features, (line, features)


# ---- TLS


def tls_versions():
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        client = Client().secure(tls_context(version))
        client("NOOP")
        for name in ["hello.txt", "big.iso"]:
            reply, got = client.transfer(f"RETR {name}")
            assert reply.startswith("226") and got == content(name)
        assert client.data_reused, version
        assert client.transfer("LIST")[1].count(b"\r\n") >= 3
        # No ticket: allowed by default, a full handshake.
        bare = Client().secure(tls_context(version))
        assert bare.transfer("RETR hello.txt", session=False)[0].startswith("226") and not bare.data_reused
        client.expect("PROT C", 200)
        client.is_protected = False
        assert client.transfer("RETR hello.txt")[1] == content("hello.txt")
        client.expect("AUTH TLS", 503)
        client.expect("CCC", 534)
    for version in [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]:
        try:
            Client().auth(tls_context(version))
            raise AssertionError(f"{version} was accepted")
        except (ssl.SSLError, OSError):
            pass


def tls_close_notify():
    """The end of protected data is a close_notify: without it a client could not tell it from a cut."""
    client = Client().secure()

    def read(data):
        got = b""
        while True:
            more = data.recv(65536)
            if not more:
                return got
            got += more

    # Python raises SSLEOFError for an end without close_notify when it is told not to ignore it.
    client.context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    assert client.transfer("RETR big.iso", read=read)[1] == content("big.iso")


def tls_control_is_closed_in_order():
    """A client's close_notify on the control connection is answered by ours."""
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        for prepare in [lambda client: client.auth(client.context), lambda client: client.secure(client.context)]:
            client = Client(context=tls_context(version))
            client.context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
            prepare(client)
            client.expect("NOOP", 200)
            client.sock.unwrap().close()


def tls_host():
    """RFC 7151 §3.2.2: HOST and TLS ask for the same name, whichever comes first."""
    client = Client(context=tls_context())
    client.server_name = "files.example"
    client.auth()
    client.expect("HOST other.example", "504 TLS was asked for another name.")
    client.expect("HOST FILES.example", 220)
    client.login()
    client = Client(context=tls_context())
    client.server_name = "files.example"
    client.expect("HOST files.example", 220)
    client.auth().login()
    client = Client(context=tls_context())
    client.server_name = "files.example"
    client.expect("HOST other.example", 220)
    try:
        client.auth().login()
        raise AssertionError("TLS for another name than HOST's")
    except (OSError, EOFError):
        pass


def tls_implicit():
    client = Client(port=IMPLICIT, implicit=True)
    client.login()
    client.is_protected = True
    assert client.transfer("RETR hello.txt")[1] == content("hello.txt")


def tls_alpn():
    for alpn, works in [(["ftp"], True), (["http/1.1"], False), (["h2", "http/1.1"], False), (["x", "ftp"], True), (["ftp-data"], False)]:
        try:
            client = Client().auth(tls_context(alpn=alpn))
            client.login()
            assert works, alpn
        except (ssl.SSLError, OSError, EOFError):
            assert not works, alpn


def tls_required():
    """ftp.tls-control and ftp.tls-data are `require` here."""
    client = Client()
    client.expect(f"USER {ACCOUNT}", 530)
    client.auth().login()
    client.passive()
    client.expect("RETR hello.txt", 521)
    client.protect()
    client.is_protected = True
    client.expect("PROT C", 534)
    assert client.transfer("RETR hello.txt")[1] == content("hello.txt")


def tls_abort():
    """lftp aborts in-band over TLS."""
    client = Client().secure()
    client("NOOP")
    data = client.open_data()
    client.raw(b"RETR big.iso\r\n")
    client.reply()
    data = client.context.wrap_socket(data, session=client.sock.session)
    data.recv(1000)
    client.raw(b"ABOR\r\n")
    assert client.reply().startswith("426") and client.reply().startswith("226")
    assert client.transfer("RETR hello.txt")[1] == content("hello.txt")


def fingerprint():
    client = Client().auth()
    return hashlib.sha256(client.sock.getpeercert(True)).hexdigest()


def certificate_swap():
    """SIGHUP takes a new certificate; sessions go on; a broken one is refused and the old one stays."""
    directory = os.environ["FFS_TLS"]
    before = fingerprint()
    old = Client().secure()
    old("NOOP")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=new",
                    "-keyout", directory + "/key.pem", "-out", directory + "/cert.pem"], check=True, capture_output=True)
    os.kill(PID, signal.SIGHUP)
    eventually(lambda: fingerprint() != before)
    after = fingerprint()
    old.expect("NOOP", 200)
    assert old.transfer("RETR hello.txt")[1] == content("hello.txt")
    with open(directory + "/cert.pem", "w") as file:
        file.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    os.kill(PID, signal.SIGHUP)
    eventually(lambda: "reload failed" in log())
    assert fingerprint() == after
    old.expect("NOOP", 200)


# ---- limits and operators


def session_limit():
    """ftp.sessions-per-account is 3 here, ftp.sessions-per-address 6; workers count together."""
    held = [signed_in() for _ in range(3)]
    client = Client()
    client.expect(f"USER {ACCOUNT}", 331)
    assert "Too many connections" in client.expect(f"PASS {PASSWORD}", 421)
    client.expect_end()
    held.pop().close()
    eventually(lambda: try_sign_in())
    # Two of this account, and four that have not signed in, are six from this address.
    eventually(lambda: json.loads(ctl("ftp", "limits", "--json"))["sessions now"] == 2)
    held += [Client() for _ in range(4)]
    for _ in range(3):
        client = Client(greet=False)
        assert client.reply().startswith("421 Too many connections")
        client.expect_end()
    Client(source="127.0.0.2").expect("NOOP", 200)


def try_sign_in():
    client = Client()
    client(f"USER {ACCOUNT}")
    worked = client(f"PASS {PASSWORD}").startswith("230")
    client.close()
    return worked


def rates():
    """ftp.rate-per-session is 4,096 KiB/s here, ftp.rate-per-account 6,144: 8 MiB take 2 s; two at once get 3 MiB/s each."""
    client = signed_in()
    seconds = timed(lambda: client.transfer("RETR big.iso"))
    assert 1.7 < seconds < 2.6, seconds
    protected = Client().secure()
    seconds = timed(lambda: protected.transfer("RETR big.iso"))
    assert 1.7 < seconds < 2.6, seconds
    sessions = [signed_in() for _ in range(3)]
    threads = [threading.Thread(target=lambda s=s: s.transfer("RETR big.iso")) for s in sessions]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    assert timed(lambda: client.expect("NOOP", 200)) < 0.1
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    assert 3.5 < seconds < 5.5, seconds


def slow_download(client, after=None):
    """Reads the big file in slow pieces; `after` is called once in the middle. Returns the bytes."""
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\n")
    assert client.reply().startswith("150")
    digest = hashlib.sha256()
    count = 0
    while True:
        more = data.recv(1 << 20)
        if not more:
            break
        digest.update(more)
        count += len(more)
        if after and count > 4 << 20:
            after()
            after = None
    assert client.reply().startswith("226")
    return digest.hexdigest()


def rolling_restart():
    expected = hashlib.sha256(content("huge.bin")).hexdigest()
    client = signed_in()
    old = set(workers())

    def restart():
        ctl("ftp", "restart")
        assert set(workers()) - old
        signed_in().expect("NOOP", 200)

    assert slow_download(client, restart) == expected
    assert client.reply().startswith("421")
    eventually(lambda: not old & set(workers()))
    signed_in().expect("NOOP", 200)


def graceful_stop():
    expected = hashlib.sha256(content("huge.bin")).hexdigest()
    client = signed_in()
    idle = signed_in()
    assert slow_download(client, lambda: os.kill(PID, signal.SIGTERM)) == expected
    assert idle.reply().startswith("421")


def spread_over_workers():
    """Sessions at both workers. The kernel lets an idle worker take one connection after another, so they come at once."""
    clients = []
    for _ in range(15):
        burst = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(12)]
        clients += [signed_in() for _ in range(4)]
        for connection in burst:
            connection.close()
        text = log()
        if all(f"session={worker}-" in text for worker in (0, 1)):
            return clients
    raise AssertionError("one worker took every session")


def worker_killed():
    """A worker that dies takes only its own sessions, and another takes its place."""
    clients = spread_over_workers()
    before = workers()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(workers()) == 2 and before[0] not in workers())
    alive = 0
    for client in clients:
        try:
            client.expect("NOOP", 200)
            alive += 1
        except (EOFError, ConnectionError):
            pass
    assert 0 < alive < len(clients), alive
    assert "worker ended" in log()
    for _ in range(8):
        signed_in().expect("NOOP", 200)
    # What the dead worker had counted is forgotten.
    eventually(lambda: json.loads(ctl("ftp", "limits", "--json"))["sessions now"] <= alive + 8)


def supervisor_killed():
    """Without its supervisor a worker lets transfers end and frees the ports."""
    expected = hashlib.sha256(content("huge.bin")).hexdigest()
    client = signed_in()
    pids = workers()
    assert slow_download(client, lambda: os.kill(PID, signal.SIGKILL)) == expected
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def who_and_kick():
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\n")
    client.reply()
    data.recv(1000)
    rows = json.loads(ctl("ftp", "who", "--json"))
    row = next(row for row in rows if row["path"])
    assert row["path"] == "huge.bin" and row["account"] == ACCOUNT and row["sent"] > 0, rows
    other = signed_in()
    stranger = Client(source="127.0.0.7")

    def who(*options):
        return sorted(row["client"].split(":")[0] for row in json.loads(ctl("ftp", "who", "--json", *options)))

    assert who() == ["127.0.0.1", "127.0.0.1", "127.0.0.7"]
    assert who("--account", ACCOUNT) == ["127.0.0.1", "127.0.0.1"]
    assert who("--address", "127.0.0.7") == ["127.0.0.7"] and who("--address", "127.0.0.0/29") == who()
    assert who("--address", "127.0.0.7", "--account", ACCOUNT) == who("--address", "192.0.2.0/24") == []
    stranger.close()
    start = time.monotonic()
    ctl("ftp", "kick", row["session"])
    assert client.reply().startswith("421")
    client.expect_end(3)
    assert time.monotonic() - start < 2
    try:
        drain(data)
    except ConnectionResetError:
        pass
    other.expect("NOOP", 200)
    ctl("ftp", "kick", ACCOUNT)
    assert other.reply().startswith("421")
    eventually(lambda: json.loads(ctl("ftp", "who", "--json")) == [])


def drain_and_admit():
    client = signed_in()
    ctl("ftp", "drain")
    assert Client(greet=False).reply().startswith("421")
    client.expect("NOOP", 200)
    ctl("ftp", "drain", "--off")
    signed_in()


def proxied():
    """ftp.proxies lists 127.0.0.0/8 here: every connection begins with a header."""

    def v1(address, port=40000):
        return f"PROXY TCP4 {address} 127.0.0.1 {port} 21\r\n".encode()

    def v2(address, port=40000):
        body = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, 21)
        return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body

    for header in [v1, v2]:
        client = Client(preamble=header("192.0.2.9"))
        client.login()
        assert "192.0.2.9:40000" in client("STAT")
        client.expect("PORT 127,0,0,1,200,200", 504)
        port = client.passive()
        client.raw(b"RETR hello.txt\r\n")
        assert client.reply().startswith("150")
        thief = socket.create_connection((HOST, port))
        thief.sendall(header("192.0.2.8"))
        time.sleep(0.1)
        data = socket.create_connection((HOST, port))
        data.sendall(header("192.0.2.9"))
        assert drain(data) == content("hello.txt")
        assert client.reply().startswith("226")
        # Byte by byte.
        client = Client(greet=False)
        for byte in header("192.0.2.9") + b"NOOP\r\n":
            client.raw(bytes([byte]))
        assert client.reply().startswith("220") and client.reply().startswith("200")
    client = Client(greet=False)
    client.raw(b"USER x\r\n")
    client.expect_end()


def passive_addresses():
    """ftp.passive-address is 198.51.100.7 and 127.0.0.2/32=203.0.113.9 here."""
    assert "(198,51,100,7," in signed_in()("PASV")
    assert "(203,0,113,9," in signed_in(source="127.0.0.2")("PASV")


def both_families():
    """ftp.address is :: here: IPv6, and IPv4 as if it were alone."""

    def connect(host):
        client = Client(host=host)
        return client.login()

    client = connect("::1")
    client.expect("PASV", 522)
    client.expect("EPSV 1", "522 Network protocol not supported, use (2)")
    port = int(client.expect("EPSV 2", 229).split("|")[3])
    for setup in [None, "active"]:
        listener = None
        if setup:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
            client.expect("EPRT |1|127.0.0.1|50000|", 504)
            client.expect("PORT 127,0,0,1,200,200", 504)
            client.expect("EPRT |2|::2|50000|", 504)
            client.expect("EPRT |2|::1|1023|", 504)
            client.expect(f"EPRT |2|::1|{listener.getsockname()[1]}|", 200)
        client.raw(b"RETR big.iso\r\n")
        data = listener.accept()[0] if listener else socket.create_connection(("::1", port), 10)
        assert client.reply().startswith("150")
        assert drain(data) == content("big.iso")
        assert client.reply().startswith("226")
    assert "[::1]:" in client("STAT")
    client = connect("127.0.0.1")
    assert "Connected from 127.0.0.1:" in client("STAT")
    assert "(127,0,0,1," in client("PASV")
    client.expect("EPSV 2", "522 Network protocol not supported, use (1)")
    assert client.transfer("RETR big.iso")[1] == content("big.iso")
    listener = socket.create_server(("127.0.0.1", 0))
    client.expect(f"EPRT |1|127.0.0.1|{listener.getsockname()[1]}|", 200)
    client.raw(b"RETR hello.txt\r\n")
    assert drain(listener.accept()[0]) == content("hello.txt")
    eventually(lambda: " ::1 8388608 /big.iso " in open(XFERLOG).read() and " 127.0.0.1 8388608 /big.iso " in open(XFERLOG).read())


def active_mode_switched_off():
    """ftp.active is false here."""
    client = signed_in()
    client.expect("PORT 127,0,0,1,200,200", 502)
    client.expect("EPRT |1|127.0.0.1|51400|", 502)
    client.expect("LIST", 425)
    assert client.transfer("RETR hello.txt")[1] == content("hello.txt")


def any_data_peer():
    """ftp.data-peer is any here, for clients with several addresses; PORT still goes to none but the control connection's."""
    client = signed_in()
    port = client.passive()
    client.raw(b"RETR hello.txt\r\n")
    assert client.reply().startswith("150")
    assert drain(socket.create_connection((HOST, port), 5, source_address=("127.0.0.2", 0))) == content("hello.txt")
    assert client.reply().startswith("226")
    client.expect("PORT 127,0,0,2,200,200", 504)


def unreadable_record():
    """A broken record refuses that account alone."""
    record = f"{AREA}/{ACCOUNT}/record"
    good = open(record).read()
    with open(record, "w") as file:
        file.write("<account-record v='1'>broken")
    client = Client()
    client(f"USER {ACCOUNT}")
    client.expect(f"PASS {PASSWORD}", 530)
    assert "unreadable record" in log()
    with open(record, "w") as file:
        file.write(good)
    signed_in()


def logs_agree():
    client = signed_in()
    client.expect("REST 5", 350)
    client.transfer("RETR hello.txt")
    data = client.open_data()
    client.raw(b"RETR big.iso\r\n")
    client.reply()
    got = len(data.recv(1000))
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    data.close()
    client.reply()
    eventually(lambda: open(XFERLOG).read().count("\n") == 2)
    lines = [line.split() for line in open(XFERLOG)]
    assert lines[0][7:9] == ["7", "/hello.txt"] and lines[0][-1] == "c", lines
    assert lines[1][8] == "/big.iso" and lines[1][-1] == "i" and int(lines[1][7]) >= got, lines
    transfers = [line for line in log().splitlines() if " transfer " in line]
    assert "bytes=7 " in transfers[0] and "offset=5" in transfers[0] and "complete=true" in transfers[0]
    assert f"bytes={lines[1][7]} " in transfers[1] and "complete=false" in transfers[1]
    assert PASSWORD not in log()


def memory_of_idle_sessions():
    before = memory()
    held = [signed_in() for _ in range(500)]
    each = (memory() - before) / 500
    assert each < 12, f"{each:.1f} KiB a session"
    for client in held:
        client.close()
    before = descriptors()
    for _ in range(3):
        for client in [signed_in() for _ in range(200)]:
            client.transfer("LIST")
            client.close()
    eventually(lambda: descriptors() <= before + 5)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
