"""The servers that FFS is measured beside: Debian's packages, unpacked next to each other, since they conflict."""
import pathlib
import pwd
import socket
import subprocess
import sys
import time

PORTS = {
    "vsftpd": 2122, "vsftpd-one": 2124, "pure-ftpd": 2141, "proftpd": 2131, "pyftpdlib": 2151,
    "vsftpd-tls": 2125, "pure-ftpd-tls": 2142, "proftpd-tls": 2132, "pyftpdlib-tls": 2152,
}
LIBRARIES = ["python3-pyftpdlib", "libwrap0", "libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libpcre2-posix3"]


def install(root):
    """Unpacks the peers under `root`, makes their certificate and the user they serve as."""
    programs, packages, state = root / "peers", root / "packages", root / "run"
    for folder in (packages, state / "empty"):
        folder.mkdir(parents=True, exist_ok=True)
    if not (programs / "usr/sbin/vsftpd").exists():
        subprocess.run(["apt-get", "download", "vsftpd", "pure-ftpd", "proftpd-core", "proftpd-mod-crypto"],
                       cwd=packages, check=True)
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, programs], check=True)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *LIBRARIES], check=True)
    if not (state / "ec.pem").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "365", "-subj", "/CN=localhost", "-keyout", state / "key.pem", "-out", state / "crt.pem"],
            check=True)
        (state / "ec.pem").write_text((state / "key.pem").read_text() + (state / "crt.pem").read_text())
        (state / "ec.pem").chmod(0o600)
    try:
        pwd.getpwnam("ftp")
    except KeyError:
        subprocess.run(["useradd", "-r", "-M", "-d", root / "data", "-s", "/usr/sbin/nologin", "ftp"], check=True)


def await_port(host, port, log):
    for _ in range(100):
        try:
            return socket.create_connection((host, port), 1).close()
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers at {host}:{port}: {pathlib.Path(log).read_text(errors='replace')[-500:]}")


def command(name, root):
    """How the peer is started in the foreground, serving `root`/data to anonymous."""
    kind = name.split("-")[0]
    makers = {"vsftpd": vsftpd, "pure": pure_ftpd, "proftpd": proftpd, "pyftpdlib": pyftpdlib}
    return [str(word) for word in makers[kind](name, PORTS[name], name.endswith("-tls"), root)]


def vsftpd(name, port, over_tls, root):
    settings = dict(
        listen="YES", listen_ipv6="NO", background="NO", listen_address="127.0.0.1", listen_port=port,
        anonymous_enable="YES", no_anon_password="NO", anon_root=root / "data", local_enable="NO",
        secure_chroot_dir=root / "run/empty", nopriv_user="nobody", ftp_username="ftp", use_sendfile="YES",
        xferlog_enable="NO", max_clients=0, max_per_ip=0, accept_timeout=60, idle_session_timeout=3600,
        ls_recurse_enable="NO", hide_ids="YES", isolate="NO", isolate_network="NO", seccomp_sandbox="NO",
        one_process_model="YES" if name == "vsftpd-one" else "NO")
    if over_tls:
        settings.update(
            ssl_enable="YES", allow_anon_ssl="YES", force_local_data_ssl="NO", force_local_logins_ssl="NO",
            rsa_cert_file=root / "run/ec.pem", require_ssl_reuse="NO", ssl_ciphers="HIGH", ssl_tlsv1="YES")
    file = root / f"run/{name}.conf"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return [root / "peers/usr/sbin/vsftpd", file]


def pure_ftpd(name, port, over_tls, root):
    words = [root / "peers/usr/sbin/pure-ftpd", "-4", "-S", f"127.0.0.1,{port}", "-e", "-A", "-c", "5000", "-C", "5000",
             "-I", "60", "-H", "-f", "none", "-p", "30000:31999", "-D", "-L", "20000:8", "-u", "1000"]
    return words + (["-Y", "1", "-2", root / "run/ec.pem"] if over_tls else [])


def proftpd(name, port, over_tls, root):
    state = root / "run"
    load = f"ModulePath {root}/peers/usr/lib/proftpd\nLoadModule mod_tls.c\n" if over_tls else ""
    tls = f"""TLSEngine on
TLSRequired off
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {state}/crt.pem
TLSECCertificateKeyFile {state}/key.pem
TLSOptions NoSessionReuseRequired
TLSRenegotiate none
TLSLog none
""" if over_tls else ""
    file = state / f"{name}.conf"
    file.write_text(f"""{load}ServerName bench
ServerType standalone
DefaultServer on
Port {port}
DefaultAddress 127.0.0.1
SocketBindTight on
UseIPv6 off
User nobody
Group nogroup
PidFile {state}/{name}.pid
ScoreboardFile {state}/{name}.score
DelayTable none
UseReverseDNS off
WtmpLog off
TransferLog none
SystemLog none
UseSendfile on
TimeoutIdle 3600
TimeoutNoTransfer 0
MaxInstances none
RequireValidShell off
PassivePorts 50000 59999
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
<Anonymous {root}/data>
User ftp
Group nogroup
UserAlias anonymous ftp
RequireValidShell off
AnonRequirePassword off
</Anonymous>
{tls}""")
    return [root / "peers/usr/sbin/proftpd", "-n", "-q", "-c", file]


def pyftpdlib(name, port, over_tls, root):
    handler = "TLS_FTPHandler" if over_tls else "FTPHandler"
    certificate = f"handler.certfile = {str(root / 'run/ec.pem')!r}" if over_tls else ""
    program = f"""
import logging
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import {handler} as handler
from pyftpdlib.servers import FTPServer
logging.basicConfig(level=logging.ERROR)
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_anonymous({str(root / 'data')!r})
handler.timeout = 3600
{certificate}
server = FTPServer(("127.0.0.1", {port}), handler, backlog=1024)
server.max_cons = server.max_cons_per_ip = 0
server.serve_forever()"""
    return ["/usr/bin/python3", "-c", program]
