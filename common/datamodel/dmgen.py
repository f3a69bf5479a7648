#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Derives everything that follows from a provider's schema: C tables, device type documents, D-Bus interfaces, the parameter
reference and a dictionary for fuzzers."""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True

from generator import emit_c, emit_dbus, emit_devicetype, emit_dictionary, emit_doc, schema  # noqa: E402

EMITTERS = {
    "c-header": emit_c.header,
    "c-source": emit_c.source,
    "dbus": emit_dbus.interfaces,
    "doc": emit_doc.reference,
    "dictionary": emit_dictionary.dictionary,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oui", default="000000", help="takes the place of @OUI@ in the schema")
    parser.add_argument("what", choices=[*EMITTERS, "documents"])
    parser.add_argument("schema", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path, help="a file; for documents a directory")
    args = parser.parse_args()

    try:
        model = schema.read(args.schema, args.oui)
    except schema.SchemaError as error:
        print(f"{args.schema}: {error}", file=sys.stderr)
        return 1

    if args.what == "documents":
        files = emit_devicetype.documents(model)
    else:
        files = {args.output.name: EMITTERS[args.what](model)}
        args.output = args.output.parent
    for name, text in files.items():
        (args.output / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
