#!/usr/bin/env python3
"""Verifies an export of the log (`ffsctl log export`, ffs-pipeline(7)) on standard input, sharing no code with what made it.

verify.py [KEYS [NOTE...]]: KEYS holds the log's and the witnesses' keys, a line each, which outweigh those in the export; each
NOTE is a checkpoint that a host has kept. Prints a line for each finding, and at the end how much is covered.
"""
import base64
import hashlib
import json
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# The fields of an event that columns show: number in the record, column, how it is written.
FIELDS = [
    (1, "trace", "hex"), (3, "retailer", "word"), (4, "product", "word"), (5, "version", "word"), (6, "content", "hex"),
    (7, "account", "word"), (8, "order", "number"), (9, "path_bytes", "base64"), (11, "from", "number"),
    (12, "to", "number"), (13, "size", "number"), (15, "outcome", "word"),
]
PERSONAL = {2, 17, 21}


def sha(data):
    return hashlib.sha256(data).digest()


class Key:
    def __init__(self, text):
        self.name, key_id, blob = text.split("+", 2)
        blob = base64.b64decode(blob, validate=True)
        self.kind, self.public = blob[0], blob[1:]
        assert key_id == self.id().hex(), "a key's id is not its own"

    def id(self):
        return sha(self.name.encode() + b"\n" + bytes([self.kind]) + self.public)[:4]

    def named(self, name):
        other = object.__new__(Key)
        other.name, other.kind, other.public = name, self.kind, self.public
        return other

    def signed(self, text, signatures):
        for name, blob in signatures:
            if name != self.name or blob[:4] != self.id():
                continue
            message, signature = text, blob[4:]
            if self.kind == 4:
                message = b"cosignature/v1\ntime %d\n" % struct.unpack(">Q", blob[4:12]) + text
                signature = blob[12:]
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
                return True
            except InvalidSignature:
                pass
        return False


class Note:
    def __init__(self, text):
        body, lines = text.rsplit("\n\n", 1)
        self.text = (body + "\n").encode()
        self.signatures = []
        for line in lines.splitlines():
            dash, name, blob = line.split(" ")
            assert dash == "\u2014"
            self.signatures.append((name, base64.b64decode(blob, validate=True)))
        self.origin, size, root = body.split("\n")[:3]
        self.size, self.root = int(size), base64.b64decode(root, validate=True)


class Tree:
    """Perfect subtrees from the left, each with its height."""

    def __init__(self):
        self.peaks, self.size = [], 0

    def append(self, entry):
        node, height = sha(b"\0" + entry), 0
        while self.peaks and self.peaks[-1][0] == height:
            node, height = sha(b"\1" + self.peaks.pop()[1] + node), height + 1
        self.peaks.append((height, node))
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha(b"")
        node = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            node = sha(b"\1" + left + node)
        return node


def fields(data):
    found = {}
    while data:
        number, length, start = data[0], data[1], 2
        if length & 0x80:
            length, start = (length & 0x7F) << 8 | data[2], 3
        assert number not in found and all(number > other for other in found)
        found[number] = data[start:start + length]
        assert len(found[number]) == length
        data = data[start + length:]
    return found


def columns(record):
    """What the columns of a record are, and the digest of its personal part."""
    assert record[0] == 1
    node = record[2:2 + record[1]].decode()
    rest = record[2 + record[1]:]
    incarnation, segment, number, arrived, customer, digest = struct.unpack(">16s16sQqQ32s", rest[:88])
    event = rest[88:]
    assert event[0] == 1
    kind = event[2:2 + event[1]].decode()
    event_id, time = struct.unpack(">16sq", event[2 + event[1]:26 + event[1]])
    values = fields(event[26 + event[1]:])
    assert not PERSONAL & set(values)
    found = {
        "node": node, "incarnation": incarnation.hex(), "segment": segment.hex(), "number": number, "type": kind,
        "event": event_id.hex(), "time": time, "arrived": arrived, "customer": customer or None,
    }

    def word(value):
        fine = value and len(value) <= 255 and all(0x21 <= byte <= 0x7E for byte in value)
        return value.decode() if fine else None

    for place, column, form in FIELDS:
        value = values.get(place)
        if value is None:
            found[column] = None
        elif form == "hex":
            found[column] = value.hex()
        elif form == "base64":
            found[column] = base64.b64encode(value).decode()
        elif form == "number":
            number = int.from_bytes(value, "big")
            found[column] = number if number < 1 << 63 else None
        else:
            found[column] = word(value)
    found["host"] = word(values.get(22, b"")) or node
    return found, digest


def flaw(entry):
    if entry["record"] is None:
        return None if entry["person"] is None else "the record was cut, but not who it names"
    salt, record = base64.b64decode(entry["salt"]), base64.b64decode(entry["record"])
    if sha(salt + record).hex() != entry["commitment"]:
        return "salt and record do not give the commitment"
    try:
        expected, digest = columns(record)
    except (AssertionError, IndexError, struct.error, UnicodeDecodeError):
        return "the record cannot be read"
    if any(entry[name] != value for name, value in expected.items()):
        return "the columns differ from the record"
    if entry["person"] is not None:
        part = base64.b64decode(entry["person"])
        if sha(base64.b64decode(entry["person_salt"]) + part) != digest:
            return "who it names is not who it named"
    return None


def main():
    keys, head, tree, roots, notes = [], None, Tree(), {}, []
    trusted = len(sys.argv) > 1
    if trusted:
        keys = [Key(line) for line in open(sys.argv[1], encoding="utf-8").read().split()]
    for path in sys.argv[2:]:
        notes.append(Note(open(path, encoding="utf-8").read()))
    roots[0] = tree.root()
    for line in sys.stdin:
        value = json.loads(line)
        if "log" in value:
            head = value["log"]
            if not trusted:
                keys = [Key(text) for text in [head["key"]] + head["witnesses"]]
        elif "entry" in value:
            entry = value["entry"]
            if entry["leaf"] != tree.size:
                print(f"entry {entry['leaf']}: some are missing before it")
            wrong = flaw(entry)
            if wrong:
                print(f"entry {entry['leaf']}: {wrong}")
            tree.append(bytes.fromhex(entry["commitment"]))
            roots[tree.size] = tree.root()
        else:
            notes.append(Note(value["checkpoint"]))
    log = next(key for key in keys if key.kind == 1)
    witnesses = [key for key in keys if key.kind == 4]
    covered = 0
    if head["size"] != tree.size:
        print(f"the log says that it has {head['size']} entries, and has {tree.size}")
    for note in notes:
        what = f"the checkpoint of {note.size} entries"
        if not log.named(note.origin).signed(note.text, note.signatures):
            print(f"{what} is forged: the log's key has not signed it")
        elif note.size > tree.size:
            print(f"{what} is of more than there are: the end was cut off")
        elif roots[note.size] != note.root:
            print(f"{what} has another root than the entries: the log was rewritten before it")
        else:
            named = {name for name, _ in note.signatures}
            true = [key for key in witnesses if key.signed(note.text, note.signatures)]
            for key in witnesses:
                if key.name in named and key not in true:
                    print(f"{what} has a cosignature that is not {key.name}'s")
            if 2 * len(true) > len(witnesses):
                covered = max(covered, note.size)
    print(f"covered {covered} of {tree.size}")


main()
