#!/usr/bin/python3
"""An FFS/2 client that shares no code with FFS: written from ffs-commlink(7) and ffs-keybag(5) alone.

    ffs2.py --bag FILE --port PORT ping
    ffs2.py --bag FILE --port PORT auth.login customer=acme password=secret
    ffs2.py --bag FILE --port PORT stage.create customer=acme item=ignite-ux,C.7.24 ttl=86400
    ffs2.py --bag FILE --port PORT stage.create body.xml        (the elements inside <tobj>)

Prints the reply document. Exit status: 0 status="ok", 1 status="error", 2 wrong use, 3 no reply.
Needs Python 3.9 and python3-cryptography.
"""

import argparse
import base64
import binascii
import hashlib
import hmac
import os
import re
import socket
import sys
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES

LAST, MORE, CLOSE = 0, 1, 2
FRAGMENT = 32000


class Refused(Exception):
    """The server hung up, or what it sent is not FFS/2."""


class KeyBag:
    """ffs-keybag(5)."""

    def __init__(self, data):
        lines = data.decode("ascii").split("\n")
        if lines[0] != "ffs-keybag 1" or lines[-1] != "":
            raise ValueError("not a key bag")
        fields = dict(line.split(" ", 1) for line in lines[1:5])
        self.id, self.link, count = fields["id"], fields["link"], int(fields["keys"])
        if count % 2 == 0 or count < 31:
            raise ValueError("a bag has an odd number of keys, at least 31")
        self.entries = []
        for index in range(count):
            number, des, psk = lines[5 + index].split(" ")
            if int(number) != index:
                raise ValueError("entries out of order")
            self.entries.append((bytes.fromhex(des), bytes.fromhex(psk)))
        end = data.rindex(b"sha256 ")
        if lines[5 + count] != "sha256 " + hashlib.sha256(data[:end]).hexdigest():
            raise ValueError("the bag's digest is wrong")


class CipherState:
    def __init__(self, key):
        self.aead, self.n = AESGCM(key), 0

    def _nonce(self):
        nonce = b"\0\0\0\0" + self.n.to_bytes(8, "big")
        self.n += 1
        return nonce

    def seal(self, plain, header=b""):
        return self.aead.encrypt(self._nonce(), plain, header)

    def open(self, sealed, header=b""):
        return self.aead.decrypt(self._nonce(), sealed, header)


class Handshake:
    """Noise_NNpsk0_25519_AESGCM_SHA256, the initiator's side."""

    NAME = b"Noise_NNpsk0_25519_AESGCM_SHA256"

    def __init__(self, prologue, psk, private=None):
        self.h = self.ck = self.NAME
        self.cipher = None
        self.mix_hash(prologue)
        self.ck, temporary, key = self.hkdf(psk, 3)
        self.mix_hash(temporary)
        self.cipher = CipherState(key)
        self.private = private or X25519PrivateKey.generate()

    def hkdf(self, material, count):
        temporary = hmac.new(self.ck, material, hashlib.sha256).digest()
        out, previous = [], b""
        for index in range(1, count + 1):
            previous = hmac.new(temporary, previous + bytes([index]), hashlib.sha256).digest()
            out.append(previous)
        return out

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, material):
        self.ck, key = self.hkdf(material, 2)
        self.cipher = CipherState(key)

    def first(self):
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.mix_hash(public)
        self.mix_key(public)
        sealed = self.cipher.seal(b"", self.h)
        self.mix_hash(sealed)
        return public + sealed

    def second(self, message):
        public, sealed = message[:32], message[32:]
        self.mix_hash(public)
        self.mix_key(public)
        self.mix_key(self.private.exchange(X25519PublicKey.from_public_bytes(public)))
        if self.cipher.open(sealed, self.h) != b"":
            raise Refused("the handshake carries a payload")
        self.mix_hash(sealed)
        sending, receiving = self.hkdf(b"", 2)
        return CipherState(sending), CipherState(receiving)


class Connection:
    def __init__(self, bag, host, port, announce=None, timeout=30.0):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        own = announce or self.socket.getsockname()[1]
        index = own % len(bag.entries)
        self.des, psk = bag.entries[index]
        prologue = "FFS2 %s %d %d" % (bag.id, own, index)
        handshake = Handshake(prologue.encode("ascii"), psk)
        self.socket.sendall(prologue.encode("ascii") + b" " + base64.b64encode(handshake.first()) + b"\r\n")
        match = re.fullmatch(rb"FFS2 ([0-9a-f]{16}) ([A-Za-z0-9+/]+=*)", self.line(510))
        if not match or match.group(1).decode("ascii") != bag.id:
            raise Refused("the server's hello is malformed")
        self.sending, self.receiving = handshake.second(base64.b64decode(match.group(2), validate=True))

    def line(self, limit):
        while b"\r\n" not in self.input:
            if len(self.input) > limit + 1:
                raise Refused("a line is too long")
            data = self.socket.recv(65536)
            if not data:
                raise Refused("the server closed the connection")
            self.input += data
        line, self.input = self.input.split(b"\r\n", 1)
        if len(line) > limit:
            raise Refused("a line is too long")
        return line

    def _des(self, iv):
        return Cipher(TripleDES(self.des * 3), modes.CBC(iv))

    def send(self, flag, body):
        padding = 8 - len(body) % 8
        iv = os.urandom(8)
        encryptor = self._des(iv).encryptor()
        sealed = encryptor.update(body + bytes([padding]) * padding) + encryptor.finalize()
        line = base64.b64encode(self.sending.seal(bytes([flag]) + iv + sealed))
        self.socket.sendall(line + b"\r\n")

    def receive(self):
        plain = self.receiving.open(base64.b64decode(self.line(65534), validate=True))
        flag, iv, sealed = plain[0], plain[1:9], plain[9:]
        decryptor = self._des(iv).decryptor()
        body = decryptor.update(sealed) + decryptor.finalize()
        padding = body[-1]
        if not 1 <= padding <= 8 or body[-padding:] != bytes([padding]) * padding:
            raise Refused("the padding is wrong")
        return flag, body[:-padding]

    def send_document(self, document):
        while len(document) > FRAGMENT:
            self.send(MORE, document[:FRAGMENT])
            document = document[FRAGMENT:]
        self.send(LAST, document)

    def receive_document(self):
        document = b""
        while True:
            flag, body = self.receive()
            if flag == CLOSE:
                raise Refused("the server said close")
            document += body
            if flag == LAST:
                return document

    def close(self):
        """Says close, and waits for the server to say it too."""
        self.send(CLOSE, b"")
        flag, body = self.receive()
        if flag != CLOSE or body:
            raise Refused("the server did not say close")
        self.socket.close()


def tobj_text(text):
    """Printable ASCII; everything else as a character reference."""
    escaped = escape(text, {'"': "&quot;"})
    return "".join(c if " " <= c <= "~" else "&#x%X;" % ord(c) for c in escaped)


def body_of(fields):
    if len(fields) == 1 and "=" not in fields[0]:
        with open(fields[0], encoding="ascii") as file:
            return file.read().strip()
    parts = []
    for field in fields:
        name, separator, value = field.partition("=")
        if not separator or not re.fullmatch(r"[a-z][a-z0-9.-]*", name):
            raise ValueError("a field is name=value, not %r" % field)
        if name == "item":
            product, _, version = value.partition(",")
            parts.append('<item product="%s" version="%s"/>' % (tobj_text(product), tobj_text(version)))
        elif name == "ttl":
            parts.append('<ttl unit="s">%s</ttl>' % tobj_text(value))
        else:
            parts.append("<%s>%s</%s>" % (name, tobj_text(value), name))
    return "".join(parts)


def main():
    parser = argparse.ArgumentParser(description="Send one request over FFS/2 and print the reply.")
    parser.add_argument("--bag", required=True, help="key bag file of the link")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--id", default=None, help="request id, 32 hexadecimal digits; random without")
    parser.add_argument("--trace", default=None, help="trace id, 32 hexadecimal digits")
    parser.add_argument("--announce", type=int, default=None, help="announce this port, not the connection's own")
    parser.add_argument("--count", type=int, default=1, help="send the request that often on one connection")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for the server")
    parser.add_argument("type", help="request type, such as ping")
    parser.add_argument("fields", nargs="*", help="name=value, item=product,version, or one file with the elements")
    arguments = parser.parse_args()

    try:
        with open(arguments.bag, "rb") as file:
            bag = KeyBag(file.read())
        body = body_of(arguments.fields)
    except (OSError, ValueError, KeyError, IndexError) as error:
        print("ffs2.py: %s" % error, file=sys.stderr)
        return 2

    status = 0
    try:
        connection = Connection(bag, arguments.host, arguments.port, arguments.announce, arguments.timeout)
        for _ in range(arguments.count):
            identity = arguments.id or os.urandom(16).hex()
            trace = ' trace="%s"' % arguments.trace if arguments.trace else ""
            request = '<tobj type="%s" id="%s" v="1"%s>%s</tobj>' % (arguments.type, identity, trace, body)
            connection.send_document(request.encode("ascii"))
            reply = connection.receive_document().decode("ascii")
            root = ElementTree.fromstring(reply)
            if root.get("id") != identity:
                raise Refused("the reply is for another request")
            print(reply)
            if root.get("status") != "ok":
                status = 1
        connection.close()
    except (OSError, Refused, InvalidTag, binascii.Error, ElementTree.ParseError) as error:
        print("ffs2.py: %s: %s" % (type(error).__name__, error), file=sys.stderr)
        return 3
    return status


if __name__ == "__main__":
    sys.exit(main())
