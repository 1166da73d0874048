#!/usr/bin/env bash
# mlcroissant 1.1.1: lines of text are cut at commas and miscounted, and declared types do not protect the values.
#
# Croissant describes the files of a data set and the type of each field; mlcroissant reads the records.
# Guess, written down before the run, as a user would make it: the Zen of Python, read line by line, gives its 21 lines,
# numbered 0 to 20 (the empty one perhaps as None); a file with one label a line, the second one empty and the fourth
# "NA", gives five records, 0 to 4; of a CSV file, "007" in a field of type Text is read as 007, "no" as a Boolean is
# False or an error, and integers of 19 digits are exact, whether or not one is missing. (By then the source had been
# read, and the guess was not trusted.)
# Seen: of the Zen, 20 records: four are the piece after the comma, sixteen are None. (A line with more commas than the
# first would be an error.) Of the labels four records are left, and all after the empty line have the number of another
# line, so that labels and images that are joined by number no longer belong together; "NA" is None. 007 is 7, so it no
# longer joins with 007 elsewhere; "no" is True; integers are rounded as soon as one is missing. Validation finds no
# fault, and nothing is said. Lines and tables alike are read with pandas.read_csv, which guesses types and separators,
# and the types of the fields are applied to what is left.
#
# Output seen:
#   zen.txt, 21 lines: 20 records, 16 None; b' by Tim Peters' [b" it's a bad idea.", b' it may be a good idea.', None]
#   labels.txt: (0, b'cat') (1, b'dog') (2, None) (3, b'owl')
#   people.csv:
#     (b'7', True, 1234567890123456768)
#     (b'10', True, 1234567890123456768)
#     (b'100', True, None)
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlcroissant==1.1.1 pandas==3.1.1 numpy==2.4.6
cat > "$folder/croissant.py" <<'PYTHON'
import contextlib
import hashlib
import io
import json
import pathlib
import sys

import mlcroissant as mlc

with contextlib.redirect_stdout(io.StringIO()) as printed:
    import this  # noqa: F401 (prints the Zen of Python)

folder = pathlib.Path(sys.argv[1])
LINES = {"number": ("lineNumbers", mlc.DataType.INTEGER), "text": ("lines", mlc.DataType.TEXT)}
COLUMNS = {"id": mlc.DataType.TEXT, "smoker": mlc.DataType.BOOL, "sample": mlc.DataType.INTEGER}
TABLE = "id,smoker,sample\n007,yes,1234567890123456789\n010,no,1234567890123456787\n100,no,\n"
FILES = {"zen.txt": printed.getvalue(), "labels.txt": "cat\n\ndog\nNA\nowl\n", "people.csv": TABLE}


def field(file, name):
    if file.endswith("csv"):
        extract, kind = mlc.Extract(column=name), COLUMNS[name]
    else:
        extract, kind = mlc.Extract(file_property=mlc.FileProperty[LINES[name][0]]), LINES[name][1]
    source = mlc.Source(file_object=file, extract=extract)
    return mlc.Field(id=f"{file}/{name}", name=name, data_types=[kind], source=source)


distribution, record_sets = [], []
for file, content in FILES.items():
    (folder / file).write_text(content)
    kind, names = ("text/csv", COLUMNS) if file.endswith("csv") else ("text/plain", LINES)
    checksum = hashlib.sha256(content.encode()).hexdigest()
    distribution.append(
        mlc.FileObject(id=file, name=file, content_url=file, encoding_formats=[kind], sha256=checksum)
    )
    fields = [field(file, name) for name in names]
    record_sets.append(mlc.RecordSet(id=file.split(".")[0], name=file.split(".")[0], fields=fields))
metadata = mlc.Metadata(
    name="example",
    description="Three small files.",
    url="https://example.org",
    license="https://creativecommons.org/publicdomain/zero/1.0/",
    version="1.0.0",
    date_published="2026-01-01",
    cite_as="@misc{example}",
    distribution=distribution,
    record_sets=record_sets,
)
(folder / "metadata.json").write_text(json.dumps(metadata.to_json(), default=str))
dataset = mlc.Dataset(jsonld=folder / "metadata.json")
assert not dataset.metadata.ctx.issues.errors
seen = {}
for file in FILES:
    seen[file] = [tuple(record.values()) for record in dataset.records(file.split(".")[0])]
zen = [text for _, text in seen["zen.txt"]]
lines = len(FILES["zen.txt"].splitlines())
print(f"zen.txt, {lines} lines: {len(zen)} records, {zen.count(None)} None;", zen[0], zen[-3:])
print("labels.txt:", *seen["labels.txt"])
print("people.csv:", *seen["people.csv"], sep="\n  ")
same = [
    (len(zen), zen.count(None), zen[0]) == (20, 16, b" by Tim Peters"),
    seen["labels.txt"] == [(0, b"cat"), (1, b"dog"), (2, None), (3, b"owl")],
    seen["people.csv"] == [(b"7", True, 1234567890123456768), (b"10", True, 1234567890123456768), (b"100", True, None)],
]
raise SystemExit(0 if all(same) else "changed")
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/croissant.py" "$folder"
