"""Mirrors a whole account with Python's ftplib: MLSD for listings, RETR in binary, REST for one resumed file.

usage: fetch_ftplib.py plain|tls PORT LOGIN PASSWORD CERTIFICATE DIRECTORY
"""

import ftplib
import os
import ssl
import sys


def mirror(ftp, remote, local):
    os.makedirs(local, exist_ok=True)
    for name, facts in list(ftp.mlsd(remote, ["type", "size"])):
        if facts["type"] == "dir":
            mirror(ftp, f"{remote}/{name}", os.path.join(local, name))
        elif facts["type"] == "file":
            path = os.path.join(local, name)
            size = int(facts["size"])
            with open(path, "wb") as file:
                if size > 1_000_000:
                    fetch_in_two_parts(ftp, f"{remote}/{name}", file, size)
                else:
                    ftp.retrbinary(f"RETR {remote}/{name}", file.write)
            assert os.path.getsize(path) == size, f"{name}: {os.path.getsize(path)} bytes, MLSD says {size}"


def fetch_in_two_parts(ftp, remote, file, size):
    """Cuts the first transfer in the middle, resumes with REST."""
    half = size // 2
    with ftp.transfercmd(f"RETR {remote}") as data:
        while file.tell() < half:
            file.write(data.recv(min(65536, half - file.tell())))
    try:
        ftp.voidresp()
        raise AssertionError("a transfer that was cut ended with a success reply")
    except ftplib.error_temp:
        pass
    ftp.retrbinary(f"RETR {remote}", file.write, rest=file.tell())


def main():
    mode, port, login, password, certificate, directory = sys.argv[1:]
    if mode == "tls":
        ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=certificate), timeout=20)
    else:
        ftp = ftplib.FTP(timeout=20)
    ftp.connect("localhost", int(port))
    ftp.login(login, password)
    if mode == "tls":
        ftp.prot_p()
    assert ftp.pwd() == "/"
    mirror(ftp, "", directory)
    ftp.quit()


main()
