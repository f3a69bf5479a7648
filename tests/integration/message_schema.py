# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds messages against docs/mqtt.schema.json: the part of JSON Schema that it uses. What it would not understand is an error."""

import json
import pathlib
import re

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs/mqtt.schema.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


def has_type(value, name):
    return (isinstance(value, int) and not isinstance(value, bool)) if name == "integer" else isinstance(value, TYPES[name])


def problems(value, schema, where="message"):
    """Yields what is wrong."""
    for key, rule in schema.items():
        match key:
            case "type":
                if not has_type(value, rule):
                    yield f"{where} is no {rule}"
                    return
            case "enum":
                if not any(value == one and type(value) is type(one) for one in rule):
                    yield f"{where} is none of {rule}"
            case "required":
                yield from (f"{where} has no {name}" for name in rule if not isinstance(value, dict) or name not in value)
            case "properties":
                for name, one in rule.items():
                    if name in value:
                        yield from problems(value[name], one, f"{where}.{name}")
            case "additionalProperties":
                for name in value.keys() - schema.get("properties", {}).keys():
                    yield from problems(value[name], rule, f"{where}.{name}")
            case "items":
                for i, item in enumerate(value):
                    yield from problems(item, rule, f"{where}[{i}]")
            case "anyOf" | "oneOf":
                n = sum(not list(problems(value, one)) for one in rule)
                if n == 0 or (key == "oneOf" and n > 1):
                    yield f"{where} fits {n} of the alternatives"
            case "minLength" | "minItems" | "minProperties":
                if len(value) < rule:
                    yield f"{where} is too short"
            case "maxLength" | "maxItems" | "maxProperties":
                if len(value) > rule:
                    yield f"{where} is too long"
            case "minimum":
                if value < rule:
                    yield f"{where} is below {rule}"
            case "maximum":
                if value > rule:
                    yield f"{where} is above {rule}"
            case "pattern":
                if not re.search(rule, value):
                    yield f"{where} is not of the form {rule}"
            case _:
                raise NotImplementedError(key)


def check(kind, message):
    """kind: the last level of the topic. Raises AssertionError."""
    found = list(problems(message, SCHEMA["$defs"][kind]))
    assert not found, f"{kind}: {'; '.join(found)}: {message}"
