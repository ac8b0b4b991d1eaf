"""Reads, writes and fingerprints Avro files with the Apache project's own Python library.

avro_tool.py read FILE                      one JSON record a line, times as milliseconds
avro_tool.py write FILE CODEC COUNT         a file of the schema on the first line of stdin and the records on
                                            the others, COUNT of them a block
avro_tool.py negative FILE CODEC COUNT      the same; arrays and maps, also the header's, in blocks of negative
                                            count, which carry their size
avro_tool.py fingerprint                    the SHA-256 fingerprint of the schema on stdin
"""

import datetime
import hashlib
import io
import json
import sys

import avro.schema
from avro.datafile import DataFileReader, DataFileWriter
from avro.io import BinaryEncoder, DatumReader, DatumWriter

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class NegativeCounts(DatumWriter):
    """Writes each item of an array or map as a block of its own, the other way that the specification allows."""

    def _write_blocks(self, items, write_item, encoder):
        for item in items:
            block = io.BytesIO()
            write_item(item, BinaryEncoder(block))
            encoder.write_long(-1)
            encoder.write_long(len(block.getvalue()))
            encoder.write(block.getvalue())
        encoder.write_long(0)

    def write_array(self, writers_schema, datum, encoder):
        self._write_blocks(datum, lambda item, to: self.write_data(writers_schema.items, item, to), encoder)

    def write_map(self, writers_schema, datum, encoder):
        def write_entry(entry, to):
            to.write_utf8(entry[0])
            self.write_data(writers_schema.values, entry[1], to)

        self._write_blocks(datum.items(), write_entry, encoder)


def to_millis(value):
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    raise TypeError(type(value))


def read(path):
    with open(path, "rb") as source, DataFileReader(source, DatumReader()) as records:
        for record in records:
            print(json.dumps(record, default=to_millis))


def write(path, codec, count, writer=DatumWriter):
    schema = avro.schema.parse(sys.stdin.readline())
    with open(path, "wb") as target, DataFileWriter(target, writer(), schema, codec=codec) as records:
        for index, line in enumerate(sys.stdin):
            record = json.loads(line)
            for field in schema.fields:
                if field.type.props.get("logicalType") == "timestamp-millis":
                    record[field.name] = EPOCH + datetime.timedelta(milliseconds=record[field.name])
            if index > 0 and index % int(count) == 0:
                records.sync()
            records.append(record)


def negative(path, codec, count):
    write(path, codec, count, NegativeCounts)


def fingerprint():
    canonical = avro.schema.parse(sys.stdin.readline()).canonical_form
    print(hashlib.sha256(canonical.encode()).hexdigest())


if __name__ == "__main__":
    {"read": read, "write": write, "negative": negative, "fingerprint": fingerprint}[sys.argv[1]](*sys.argv[2:])
