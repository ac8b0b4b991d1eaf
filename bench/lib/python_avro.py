"""Encodes records with one of Python's Avro libraries, as often as it is asked to.

python_avro.py fastavro|avro: the first line of output says the versions. Then each line of input is
answered with one line: {"schema": …, "records": […]} with their number, {"repetitions": n} with the
bytes of the file that was written n times.
"""

import datetime
import io
import json
import platform
import sys

BLOCK_BYTES = 64 * 1024
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Fastavro:
    def __init__(self):
        import fastavro

        self.library = fastavro
        self.version = f"fastavro {fastavro.__version__}"

    def load(self, schema, records):
        self.schema = self.library.parse_schema(schema)
        self.records = records

    def encode(self):
        target = io.BytesIO()
        self.library.writer(
            target,
            self.schema,
            self.records,
            codec="deflate",
            sync_interval=BLOCK_BYTES,
            codec_compression_level=6,
        )
        return target.tell()


class Avro:
    def __init__(self):
        import avro
        import avro.datafile
        import avro.io
        import avro.schema

        self.library = avro
        self.version = f"avro {getattr(avro, '__version__', '')}".strip()

    def load(self, schema, records):
        self.schema = self.library.schema.parse(json.dumps(schema))
        times = [
            field["name"]
            for field in schema["fields"]
            if isinstance(field["type"], dict) and field["type"].get("logicalType") == "timestamp-millis"
        ]
        to_time = lambda value: EPOCH + datetime.timedelta(milliseconds=value)
        self.records = [{**record, **{name: to_time(record[name]) for name in times}} for record in records]

    def encode(self):
        target = io.BytesIO()
        writer = self.library.datafile.DataFileWriter(
            target, self.library.io.DatumWriter(), self.schema, codec="deflate"
        )
        for record in self.records:
            writer.append(record)
        writer.flush()
        return target.tell()


def main():
    library = {"fastavro": Fastavro, "avro": Avro}[sys.argv[1]]()
    print(f"{library.version}, Python {platform.python_version()}", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "schema" in order:
            library.load(order["schema"], order["records"])
            print(len(order["records"]), flush=True)
        else:
            size = 0
            for _ in range(order["repetitions"]):
                size = library.encode()
            print(size, flush=True)


if __name__ == "__main__":
    main()
