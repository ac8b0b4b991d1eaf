"""Reads, writes and fingerprints Avro files with the Apache project's own Python library.

avro_tool.py read FILE        one JSON record a line, times as milliseconds
avro_tool.py write FILE       a file of the schema on the first line of stdin and the records on the others
avro_tool.py fingerprint      the SHA-256 fingerprint of the schema on stdin
"""

import datetime
import hashlib
import json
import sys

import avro.schema
from avro.datafile import DataFileReader, DataFileWriter
from avro.io import DatumReader, DatumWriter

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def to_millis(value):
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    raise TypeError(type(value))


def read(path):
    with open(path, "rb") as source, DataFileReader(source, DatumReader()) as records:
        for record in records:
            print(json.dumps(record, default=to_millis))


def write(path):
    schema = avro.schema.parse(sys.stdin.readline())
    with open(path, "wb") as target, DataFileWriter(target, DatumWriter(), schema, codec="deflate") as records:
        for line in sys.stdin:
            record = json.loads(line)
            for field in schema.fields:
                if field.type.props.get("logicalType") == "timestamp-millis":
                    record[field.name] = EPOCH + datetime.timedelta(milliseconds=record[field.name])
            records.append(record)


def fingerprint():
    canonical = avro.schema.parse(sys.stdin.readline()).canonical_form
    print(hashlib.sha256(canonical.encode()).hexdigest())


if __name__ == "__main__":
    {"read": read, "write": write, "fingerprint": fingerprint}[sys.argv[1]](*sys.argv[2:])
