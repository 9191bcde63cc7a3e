#!/usr/bin/python3
"""What real clients do, with the real clients: `ftp_clients.py CASE` runs one row, and fails loudly.

Clients talk through a relay that writes their control connection down, so that each row shows that the client still does
what the row is about. The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import contextlib
import ftplib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from ftp_wire import *

WORK = tempfile.mkdtemp(prefix="ffs-client-", dir="/var/tmp")


def fetched(name):
    with open(f"{WORK}/{name}", "rb") as file:
        return file.read()


def run(*words, input="", status=0, seconds=60):
    """Standard output and error of a client that must end with `status`; None: however it likes, but in time."""
    environment = {**os.environ, "HOME": WORK, "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(words, input=input, capture_output=True, text=True, errors="replace", timeout=seconds, cwd=WORK, env=environment)
    assert status in (done.returncode, None), (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


class Relay:
    """Passes control connections on and keeps both sides' lines. `refuse`: commands that it answers itself with 500."""

    def __init__(self, refuse=()):
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.refuse = tuple(word.encode() for word in refuse)
        self.sent, self.replies = [], []
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection((HOST, PORT))
            threading.Thread(target=self.forward, args=(client, server, client), daemon=True).start()
            threading.Thread(target=self.back, args=(server, client), daemon=True).start()

    def forward(self, client, server, answers):
        with contextlib.suppress(OSError):
            while True:
                data = client.recv(65536)
                if not data:
                    server.shutdown(socket.SHUT_WR)
                    return
                if data.startswith(self.refuse) and self.refuse:
                    answers.sendall(b"500 Not here.\r\n")
                else:
                    server.sendall(data)
                self.sent += [line for line in data.decode("utf-8", "replace").split("\r\n") if line]

    def back(self, server, client):
        with contextlib.suppress(OSError):
            while True:
                data = server.recv(65536)
                if not data:
                    client.close()
                    return
                self.replies += [line for line in data.decode("utf-8", "replace").split("\r\n") if line]
                client.sendall(data)

    def verbs(self):
        return [line.split(" ")[0].upper() for line in self.sent]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


USER = f"{ACCOUNT}:{PASSWORD}"


def curl(relay, *words, **options):
    """The address of the server is the last word's beginning."""
    words = [word.replace("FTP:", f"ftp://{HOST}:{relay.port}") for word in words]
    return run("curl", "-q", "-sS", "--max-time", "30", "--user", USER, *words, **options)


def lftp(script, relay=None, tls=False, **options):
    settings = [
        "set cmd:fail-exit true", "set net:max-retries 2", "set net:timeout 20", "set net:reconnect-interval-base 1", "set xfer:clobber true",
        f"set ftp:ssl-allow {str(tls).lower()}", f"set ftp:ssl-force {str(tls).lower()}", "set ftp:ssl-protect-data true", "set ssl:verify-certificate false",
        f"open -u {ACCOUNT},{PASSWORD} ftp://{HOST}:{relay.port if relay else PORT}",
    ]
    return run("lftp", "--norc", "-c", "; ".join([*settings, script]), **options)


# ---- curl


def curl_asks_for_epsv_first():
    with Relay() as relay:
        curl(relay, "-o", "hello.txt", "FTP:/hello.txt")
        assert "EPSV" in relay.verbs() and "PASV" not in relay.verbs(), relay.sent
        assert fetched("hello.txt") == content("hello.txt")


def curl_falls_back_to_pasv():
    with Relay(refuse=["EPSV"]) as relay:
        curl(relay, "-o", "hello.txt", "FTP:/d/one")
        verbs = relay.verbs()
        assert verbs.index("EPSV") < verbs.index("PASV"), relay.sent
        assert fetched("hello.txt") == b"1"


def curl_sends_auth_ssl_first():
    with Relay() as relay:
        curl(relay, "--ssl-reqd", "--insecure", "-o", "big.iso", "FTP:/big.iso")
        assert relay.sent[0] == "AUTH SSL", relay.sent[0]
        assert fetched("big.iso") == content("big.iso")
    # What does not know SSL is asked for TLS.
    with Relay(refuse=["AUTH SSL"]) as relay:
        curl(relay, "--ssl-reqd", "--insecure", "-o", "hello.txt", "FTP:/hello.txt")
        assert relay.sent[:2] == ["AUTH SSL", "AUTH TLS"], relay.sent[:2]
        assert fetched("hello.txt") == content("hello.txt")


def curl_head_sends_rest_0():
    with Relay() as relay:
        shown = curl(relay, "-I", "FTP:/hello.txt")
        assert "REST 0" in relay.sent and "SIZE" in relay.verbs() and "MDTM" in relay.verbs(), relay.sent
        assert "Content-Length: 12" in shown and "Accept-ranges: bytes" in shown and "Last-Modified" in shown, shown


def curl_aborts_after_ranges():
    with Relay() as relay:
        # One connection for both: what the first range left behind must not disturb the second.
        curl(relay, "-r", "100-199", "-o", "a", "FTP:/big.iso", "-o", "b", "FTP:/d/../big.iso")
        assert "ABOR" in relay.verbs() and relay.verbs().count("USER") == relay.connections, relay.sent
        assert fetched("a") == fetched("b") == content("big.iso")[100:200]
    with Relay() as relay:
        curl(relay, "-r", "-5", "-o", "a", "FTP:/hello.txt")
        assert fetched("a") == b"orld\n", fetched("a")
        curl(relay, "-C", "6", "-o", "c", "FTP:/hello.txt")
        assert fetched("c") == b"world\n"


def curl_in_active_mode():
    for extended in [["--ftp-port", "-"], ["--ftp-port", "-", "--disable-eprt"]]:
        with Relay() as relay:
            curl(relay, *extended, "-o", "big.iso", "FTP:/big.iso")
            assert ("PORT" if "--disable-eprt" in extended else "EPRT") in relay.verbs(), relay.sent
            assert fetched("big.iso") == content("big.iso")


def curl_lists():
    with Relay() as relay:
        names = curl(relay, "--list-only", "FTP:/").split()
        assert "NLST" in relay.verbs() and {"hello.txt", "big.iso", "d"} <= set(names), names
        assert "hello.txt" in curl(relay, "FTP:/") and "LIST" in relay.verbs()
        assert "size=12" in curl(relay, "--quote", "TYPE I", "-X", "MLSD", "FTP:/")
        curl(relay, "FTP:/nothing", status=78)  # CURLE_REMOTE_FILE_NOT_FOUND
        curl(relay, "-T", "/etc/hostname", "FTP:/new", status=25)  # CURLE_UPLOAD_FAILED


# ---- wget


def wget_sends_list_a():
    with Relay() as relay:
        run("wget", "--no-config", "-q", "-r", "-nH", "--user", ACCOUNT, "--password", PASSWORD, f"ftp://{HOST}:{relay.port}/d/")
        assert any(line.startswith("LIST -a") for line in relay.sent), relay.sent
        assert fetched("d/one") == b"1"


def wget_goes_on_where_it_was():
    with open(f"{WORK}/big.iso", "wb") as part:
        part.write(content("big.iso")[:3_000_000])
    with Relay() as relay:
        run("wget", "--no-config", "-q", "-c", "--user", ACCOUNT, "--password", PASSWORD, f"ftp://{HOST}:{relay.port}/big.iso")
        assert "REST 3000000" in relay.sent, relay.sent
        assert fetched("big.iso") == content("big.iso")


def wget_over_tls():
    with Relay() as relay:
        run("wget", "--no-config", "-q", "--no-check-certificate", "--ftps-implicit", "--user", ACCOUNT, "--password", PASSWORD, "-O", "i", f"ftps://{HOST}:{IMPLICIT}/big.iso")
        assert fetched("i") == content("big.iso")
        run("wget", "--no-config", "-q", "--no-check-certificate", "--user", ACCOUNT, "--password", PASSWORD, "-O", "e", f"ftps://{HOST}:{relay.port}/big.iso")
        assert relay.sent[0] == "AUTH TLS" and fetched("e") == content("big.iso")


# ---- lftp


def lftp_asks_for_features_before_sign_in():
    with Relay() as relay:
        lftp("get hello.txt", relay)
        assert relay.verbs().index("FEAT") < relay.verbs().index("USER"), relay.sent
        assert fetched("hello.txt") == content("hello.txt")


def lftp_mirrors():
    for tls in (False, True):
        target = f"{WORK}/mirror-{tls}"
        lftp(f"mirror --exclude huge.bin --parallel=3 / {target}", tls=tls)
        for name in ["hello.txt", "big.iso", "d/one", "SHA256SUMS"]:
            with open(f"{target}/{name}", "rb") as file:
                assert file.read() == content(name), name
            # lftp takes the times of MLSD over.
            assert int(os.stat(f"{target}/{name}").st_mtime) == int(os.stat(f"{TREE}/{name}").st_mtime), name


def lftp_fetches_in_eight_parts():
    expected = hashlib.sha256(content("huge.bin")).digest()
    for tls in (False, True):
        lftp(f"pget -n 8 -O {WORK} huge.bin", tls=tls, seconds=100)
        assert hashlib.sha256(fetched("huge.bin")).digest() == expected
        os.remove(f"{WORK}/huge.bin")


def lftp_aborts_in_band_over_tls():
    """A reader that goes away in the middle: ABOR on the TLS connection, and the session goes on."""
    for tls in (True, False):
        before = log().count(" signed in ")
        shown = lftp("cat huge.bin | head -c 100000 > part; cat hello.txt; ls d", tls=tls)
        assert "hello\nworld" in shown and "one" in shown, shown
        assert fetched("part") == content("huge.bin")[:100_000]
        aborted = [line for line in log().splitlines() if " transfer " in line and "path=/huge.bin" in line][-1]
        assert "complete=false" in aborted, aborted
        assert log().count(" signed in ") - before <= 2, "it had to sign in for each command"


def lftp_sends_mdtm_with_two_arguments():
    """Which sets a time elsewhere: here it names a file that is not there, and changes nothing."""
    before = os.stat(TREE + "/hello.txt").st_mtime_ns
    with Relay() as relay:
        run(
            "lftp", "--norc", "-c", f"set net:max-retries 1; set ftp:ssl-allow no; open -u {ACCOUNT},{PASSWORD} ftp://{HOST}:{relay.port}; "
            "quote MDTM 20200101000000 hello.txt; get hello.txt")
        assert any(re.match(r"MDTM \d{14} hello.txt", line) for line in relay.sent) and "550 No such file or directory." in relay.replies, relay.replies
    assert fetched("hello.txt") == content("hello.txt") and os.stat(TREE + "/hello.txt").st_mtime_ns == before


def lftp_reads_too_many_connections():
    """ftp.sessions-per-account is 2 here: lftp understands the 421 and tries again until there is room."""
    held = [signed_in(), signed_in()]
    threading.Timer(2.5, held[0].close).start()
    with Relay() as relay:
        lftp("set net:max-retries 20; set net:reconnect-interval-multiplier 1; set net:reconnect-interval-max 2; get hello.txt", relay)
        assert any(re.match("421 .*(Too many|No more) connections", line) for line in relay.replies), relay.replies
        assert relay.connections > 1
    assert fetched("hello.txt") == content("hello.txt")


def segments_are_one_customer():
    """ftp.rate-per-account is 32 MiB/s here: eight segments of one account share it."""
    start = time.monotonic()
    lftp(f"pget -n 8 -O {WORK} huge.bin", seconds=100)
    assert time.monotonic() - start > 96 / 32 * 0.9
    assert log().count(" signed in ") >= 8, "it did not use eight sessions"
    assert hashlib.sha256(fetched("huge.bin")).digest() == hashlib.sha256(content("huge.bin")).digest()


def lftp_uses_mode_z():
    for tls in (False, True):
        with Relay() as relay:
            lftp("set ftp:use-mode-z yes; set ftp:compressed-re no-such-name; cat hello.txt; cls -l; get -O . big.iso; get -c hello.txt", relay, tls=tls)
            assert tls or ("MODE Z" in relay.sent), relay.sent
            assert fetched("big.iso") == content("big.iso") and fetched("hello.txt") == content("hello.txt")
        os.remove(f"{WORK}/hello.txt")
    assert any("mode=Z" in line and "path=/big.iso" in line for line in log().splitlines())


def lftp_takes_symbols_in_names():
    name = "50% [a]+#1 — ü & b.txt"
    with open(f"{TREE}/d/{name}", "wb") as file:
        file.write(b"symbols")
    lftp(f"mirror --exclude-glob *.iso --exclude huge.bin d {WORK}/symbols")
    assert fetched(f"symbols/{name}") == b"symbols"


# ---- tnftp, ncftp, inetutils


def session(relay, *lines):
    return "\n".join([f"open {HOST} {relay.port}", f"user {ACCOUNT} {PASSWORD}", *lines, "quit", ""])


def tnftp_fetches():
    with Relay() as relay:
        run("tnftp", "-n", "-i", input=session(relay, "binary", "get big.iso", "get hello.txt", "cd d", "mget *", "ls", "pwd", "size one", "modtime one"))
        assert fetched("big.iso") == content("big.iso") and fetched("one") == b"1"
        assert "EPSV" in relay.verbs() and "FEAT" in relay.verbs(), relay.sent
    with open(f"{WORK}/big.iso", "r+b") as part:
        part.truncate(1_000_000)
    with Relay() as relay:
        run("tnftp", "-n", "-i", input=session(relay, "binary", "reget big.iso"))
        assert "REST 1000000" in relay.sent and fetched("big.iso") == content("big.iso"), relay.sent
    with Relay() as relay:
        run("tnftp", "-A", "-n", "-i", input=session(relay, "binary", "get big.iso active.iso", "passive", "get hello.txt passive.txt"))
        assert {"EPRT", "PORT"} & set(relay.verbs()) and fetched("active.iso") == content("big.iso"), relay.sent
        assert fetched("passive.txt") == content("hello.txt")


def tnftp_fetches_an_address():
    with Relay() as relay:
        run("tnftp", "-o", "auto.txt", f"ftp://{ACCOUNT}:{PASSWORD}@{HOST}:{relay.port}/d/one")
        assert fetched("auto.txt") == b"1"


def ncftp_fetches_a_tree():
    with Relay() as relay:
        run("ncftpget", "-V", "-t", "20", "-r", "0", "-u", ACCOUNT, "-p", PASSWORD, "-P", str(relay.port), HOST, WORK, "/big.iso", "/hello.txt")
        assert fetched("big.iso") == content("big.iso"), relay.sent
    with open(f"{WORK}/big.iso", "r+b") as part:
        part.truncate(1_000_000)
    with Relay() as relay:
        run("ncftpget", "-V", "-z", "-u", ACCOUNT, "-p", PASSWORD, "-P", str(relay.port), HOST, WORK, "/big.iso")
        assert fetched("big.iso") == content("big.iso") and any(line.startswith("REST") for line in relay.sent), relay.sent
    with Relay() as relay:
        run("ncftpget", "-V", "-R", "-u", ACCOUNT, "-p", PASSWORD, "-P", str(relay.port), HOST, WORK + "/", "/d")
        assert fetched("d/one") == b"1" and {"MLSD", "LIST", "NLST"} & set(relay.verbs()), relay.sent
    with Relay() as relay:
        shown = run("ncftpls", "-x", "-la", "-u", ACCOUNT, "-p", PASSWORD, f"ftp://{HOST}:{relay.port}/")
        assert "hello.txt" in shown and "big.iso" in shown, (shown, relay.sent)


def inetutils_fetches():
    for passive in (True, False):
        with Relay() as relay:
            words = ["inetutils-ftp", "-n", "-i", "-v"] + (["-p"] if passive else ["--active"])
            shown = run(*words, input=session(relay, "binary", f"get big.iso {passive}.iso", "cd d", "mget one", "dir", "system", "rstatus"))
            assert fetched(f"{passive}.iso") == content("big.iso") and fetched("one") == b"1"
            assert ({"PASV", "EPSV"} if passive else {"PORT", "EPRT"}) & set(relay.verbs()), relay.sent
            assert "UNIX Type: L8" in shown and "one" in shown, shown


def mget_fetches_a_directory():
    """`mget dir`: NLST's names go to RETR as they come."""
    for words in [["tnftp", "-n", "-i"], ["inetutils-ftp", "-n", "-i", "-v", "-p"]]:
        shutil.rmtree(f"{WORK}/d", ignore_errors=True)
        os.mkdir(f"{WORK}/d")
        with Relay() as relay:
            shown = run(*words, input=session(relay, "binary", "mget d"))
            assert fetched("d/one") == b"1", (relay.sent, shown)


def own_folder(name):
    """A folder with one file, for a row that counts names."""
    os.makedirs(f"{TREE}/{name}", exist_ok=True)
    with open(f"{TREE}/{name}/one", "wb") as file:
        file.write(b"1")


def perl_lists_what_it_fetches():
    own_folder("perl")
    script = """
use Net::FTP;
my ($port, $user, $password) = @ARGV;
my $ftp = Net::FTP->new('127.0.0.1', Port => $port, Timeout => 20) or die $@;
$ftp->login($user, $password) or die $ftp->message;
$ftp->binary;
for my $name ($ftp->ls('perl')) { $ftp->get($name, 'perl-one') or die "$name: " . $ftp->message; print "$name\n"; }
die 'size' unless $ftp->size('big.iso') == 8388608;
$ftp->get('big.iso', 'perl.iso') or die $ftp->message;
$ftp->restart(5); my $data = $ftp->retr('hello.txt') or die $ftp->message; my $rest = ''; my $got;
while ($data->read($got, 4096)) { $rest .= $got } $data->close; print "[$rest]";
my @none = $ftp->ls('nothing'); die 'listed' if @none; print $ftp->code; $ftp->quit;
"""
    with Relay() as relay:
        shown = run("perl", "-e", script, str(relay.port), ACCOUNT, PASSWORD)
        assert shown == "perl/one\n[\nworld\n]450", (shown, relay.sent)
        assert fetched("perl-one") == b"1" and fetched("perl.iso") == content("big.iso")


def what_is_missing_is_told_once():
    """450 for a listing: no client takes it for a passing fault and tries on. curl takes it for an empty listing."""
    address = f"ftp://{USER}@{HOST}"
    for words in [
        ["curl", "-q", "-sS", "-X", "LIST nothing", "ADDRESS/"], ["curl", "-q", "-sS", "ADDRESS/nothing/"], ["curl", "-q", "-sS", "ADDRESS/nothing"],
        ["wget", "-nv", "-t", "3", "-O", "none", "ADDRESS/nothing"], ["wget", "-nv", "-t", "3", "-O", "none", "ADDRESS/nothing/"],
    ]:
        with Relay() as relay:
            run(*[word.replace("ADDRESS", f"{address}:{relay.port}") for word in words], status=None, seconds=20)
            assert relay.connections == 1, (words, relay.sent)
    for script in ["cls nothing", "ls nothing", "nlist nothing", "get nothing", "mirror nothing"]:
        with Relay() as relay:
            lftp(script, relay, status=None, seconds=20)
            assert relay.connections <= 2 and relay.verbs().count("LIST") <= 2, (script, relay.sent)
    client = ftplib.FTP()
    client.connect(HOST, PORT)
    client.login(ACCOUNT, PASSWORD)
    own_folder("python")
    assert client.nlst("python") == ["python/one"]
    try:
        client.nlst("nothing")
        raise AssertionError("listed")
    except ftplib.error_temp as refusal:
        assert str(refusal).startswith("450"), refusal


def benchmarks_name_who_cannot_serve():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../../../Benchmarks/ftp")
    import compare

    def fault(tls, password=PASSWORD):
        return compare.control_fault(HOST, PORT, ACCOUNT, password, "", tls)

    assert "m1" in fault(False) and "530" in fault(False, "wrong")
    with open(TREE + "/m1", "wb") as file:
        file.truncate(1 << 20)
    os.mkdir(TREE + "/d10k")
    assert "10,000" in fault(True)
    for index in range(10_000):
        os.close(os.open(f"{TREE}/d10k/{index}", os.O_CREAT | os.O_WRONLY, 0o444))
    assert fault(False) is None and fault(True) is None, (fault(False), fault(True))
    shutil.rmtree(TREE + "/d10k")


def urllib_takes_the_size_from_150():
    """The size in 150 is urllib's only check against an end too soon."""
    import urllib.request

    with urllib.request.urlopen(f"ftp://{USER}@{HOST}:{PORT}/big.iso") as answer:
        assert answer.headers["Content-Length"] == str(8 << 20) and answer.read() == content("big.iso")


# ---- Python


def python_keeps_rest_over_passive():
    for passive in (True, False):
        client = ftplib.FTP(timeout=20)
        client.connect(HOST, PORT)
        client.login(ACCOUNT, PASSWORD)
        client.set_pasv(passive)
        got = []
        # REST goes out before EPSV or EPRT here, and RETR behind it.
        client.retrbinary("RETR big.iso", got.append, rest=8_000_000)
        assert b"".join(got) == content("big.iso")[8_000_000:]
        client.retrlines("LIST", lambda line: None)
        client.voidcmd("TYPE I")
        assert client.size("hello.txt") == 12 and dict(client.mlsd())["hello.txt"]["size"] == "12"
        client.quit()


def python_waits_for_226_after_close_notify():
    import ssl

    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        client = ftplib.FTP_TLS(context=tls_context(version), timeout=20)
        client.connect(HOST, PORT)
        client.login(ACCOUNT, PASSWORD)
        client.prot_p()
        for name in ["big.iso", "hello.txt", "d/one"]:
            got = []
            # retrbinary() calls unwrap(): it waits for our close_notify, then for 226.
            assert client.retrbinary(f"RETR {name}", got.append).startswith("226")
            assert b"".join(got) == content(name)
        assert "hello.txt" in client.nlst()
        assert client.quit().startswith("221")


def clients_that_resume():
    """ftp.tls-reuse is require here: curl and lftp do it, at TLS 1.2 and 1.3; Python does not, and is told why."""
    with Relay() as relay:
        for version in [[], ["--tls-max", "1.2"]]:
            curl(relay, "--ssl-reqd", "--insecure", *version, "-o", "one", "FTP:/d/one", "-o", "big.iso", "FTP:/big.iso")
            assert fetched("big.iso") == content("big.iso") and fetched("one") == b"1"
            assert "hello.txt" in curl(relay, "--ssl-reqd", "--insecure", *version, "--list-only", "FTP:/")
    lftp(f"mirror --exclude huge.bin --parallel=3 / {WORK}/all", tls=True)
    assert fetched("all/big.iso") == content("big.iso")
    lftp(f"pget -n 8 -O {WORK} huge.bin", tls=True, seconds=100)
    assert fetched("huge.bin") == content("huge.bin")
    transfers = [line for line in log().splitlines() if " transfer " in line]
    assert len(transfers) > 10 and all("reused=true" in line for line in transfers), transfers
    client = ftplib.FTP_TLS(context=tls_context(), timeout=20)
    client.connect(HOST, PORT)
    client.login(ACCOUNT, PASSWORD)
    client.prot_p()
    try:
        client.retrbinary("RETR hello.txt", lambda data: None)
        raise AssertionError("a session of its own was let in")
    except ftplib.error_perm as refusal:
        assert str(refusal).startswith("522 The data connection must resume the TLS session"), refusal
    except OSError:
        # It gave up at the handshake, before it read the reply.
        pass


# ---- what clients that Debian does not have rely on


def filezilla_compares_mdtm_with_list():
    """For the server's timezone: LIST shows UTC, as MDTM does, for times in summer and in winter."""
    client = signed_in()
    for stamp in [time.time() - 86_400, time.time() - 170 * 86_400]:
        path = TREE + "/clock"
        open(path, "w").close()
        os.utime(path, (stamp, stamp))
        given = time.gmtime(int(stamp))
        assert client("MDTM clock") == "213 " + time.strftime("%Y%m%d%H%M%S", given)
        line = client.transfer("LIST clock")[1].decode()
        assert f"{time.strftime('%b', given)} {given.tm_mday:2} {time.strftime('%H:%M', given)} clock" in line, line


def commons_net_reads_syst():
    """It chooses its parser by the word UNIX, and its pattern has to match every line."""
    client = signed_in()
    assert client("SYST") == "215 UNIX Type: L8"
    pattern = (
        r"([bcdelfmpSs-])(((r|-)(w|-)([xsStTL-]))((r|-)(w|-)([xsStTL-]))((r|-)(w|-)([xsStTL-])))\+?\s*(\d+)\s+(?:(\S+(?:\s\S+)*?)\s+)?"
        r"(?:(\S+(?:\s\S+)*)\s+)?(\d+(?:,\s*\d+)?)\s+((?:\d+[-/]\d+[-/]\d+)|(?:\S{3}\s+\d{1,2})|(?:\d{1,2}\s+\S{3}))\s+(\d+(?::\d+)?)\s(\S*)(\s*.*)")
    lines = client.transfer("LIST")[1].decode().splitlines()
    assert len(lines) >= 5 and all(re.fullmatch(pattern, line) for line in lines), lines


def windows_sends_lower_case():
    client = Client()
    client.expect("user " + ACCOUNT, 331)
    client.expect("pass " + PASSWORD, 230)
    client.expect("opts utf8 on", 200)
    client.expect("site help", 214)
    client.expect("syst", 215)
    client.expect("type i", 200)
    assert client.transfer("retr hello.txt")[1] == content("hello.txt")


def winscp_reads_two_thousand_characters():
    """It cuts lines there, and gives UTF-8 up after one reply that is none: paths of two-byte letters, cut in any place."""
    client = signed_in()
    for letters in ["ü", "a€", "😀"]:
        name = (letters * 200).encode()[:252].decode(errors="ignore")
        os.makedirs(f"{TREE}/{name}/" + "/".join([name] * 11))
        for _ in range(12):
            for reply in [client(f"CWD {name}"), client("PWD"), client("STAT"), client("MLST"), client("NOOP " + name)]:
                reply.encode("utf-8")  # an invalid one would hold surrogates
                assert all(len(line.encode()) < 2_000 for line in reply.split("\n")), reply
        client.expect("CWD /", 250)
    assert "UTF8" in client("FEAT")


def inner_lines_look_like_no_reply():
    for name in ["211 End of status", "226 Transfer complete.", "250 End", "250-", "213 x"]:
        os.makedirs(f"{TREE}/codes/{name}/in")
    client = signed_in()
    client.expect("CWD codes", 250)
    for command in ["STAT", "STAT -l", "STAT 226 Transfer complete.", "FEAT", "HELP", "SITE HELP", "SITE WHO", "MLST 250 End", "MLST 211 End of status", "OPTS MLST type;"]:
        client.raw(command.encode() + b"\r\n")
        lines = client.reply().split("\n")
        assert all(line.startswith(" ") for line in lines[1:-1]), lines
        assert client.reply_is_missing(), (command, client.buffer)


def pwd_doubles_quotes():
    os.makedirs(f'{TREE}/a"b""c')
    client = signed_in()
    assert client('CWD a"b""c').startswith('250 "/a""b""""c"')
    assert client("PWD") == '257 "/a""b""""c" is the current directory.'
    library = ftplib.FTP(timeout=20)
    library.connect(HOST, PORT)
    library.login(ACCOUNT, PASSWORD)
    library.cwd('a"b""c')
    assert library.pwd() == '/a"b""c'
    library.quit()


def one_space_and_then_the_name():
    for name in [" lead", "  two", "trail ", "in  side", " "]:
        with open(f"{TREE}/d/{name}", "wb") as file:
            file.write(name.encode())
    client = signed_in()
    client.expect("CWD d", 250)
    for name in [" lead", "  two", "trail ", "in  side", " "]:
        assert client.transfer(f"RETR {name}")[1] == name.encode(), name
        client.expect(f"SIZE {name}", f"213 {len(name)}")
        assert f" /d/{name}\n" in client(f"MLST {name}")
    client.expect("RETR lead", 425)
    client.passive()
    client.expect("RETR lead", 550)
    listing = client.transfer("MLSD")[1].decode().split("\r\n")
    assert all(any(line.endswith("; " + name) for line in listing) for name in [" lead", "  two", "trail "]), listing


def options_are_never_paths():
    """wget sends `LIST -a`, others -la and worse."""
    client = signed_in()
    plain = client.transfer("LIST")[1]
    os.makedirs(TREE + "/-la")
    with open(TREE + "/-la/inside", "w"):
        pass
    whole = client.transfer("LIST")[1]
    assert whole.count(b"\r\n") == plain.count(b"\r\n") + 1
    for options in ["-a", "-la", "-al", "-L", "-1a", "-l -a", "-aL", "--", "-la .", "-A /"]:
        assert client.transfer(f"LIST {options}")[1] == whole, options
    assert b"inside" in client.transfer("LIST -la ./-la")[1] and b"inside" in client.transfer("LIST -- -la")[1]
    client.expect("CWD -la", 250)


def mlsd_never_globs():
    os.makedirs(TREE + "/d/[ab]*")
    os.makedirs(TREE + "/d/a")
    with open(TREE + "/d/[ab]*/inside", "w"):
        pass
    client = signed_in()
    assert b"inside" in client.transfer("MLSD d/[ab]*")[1]
    for path in ["d/*", "d/a*", "d/?", "*", "d/[a]"]:
        assert client.transfer(f"MLSD {path}")[0].startswith("550"), path


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]]()
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
