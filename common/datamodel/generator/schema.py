# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a schema in the form of TR-106 annex A (a subset of it, plus attributes of our own namespace), and checks it."""

import copy
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

DM = "urn:broadband-forum-org:cwmp:datamodel-1-15"
ISP = "{urn:ispstorage:datamodel}"
PATH_MAX = 256
DEPTH_MAX = 8
VALUE_MAX = 32768

# XSD type: C constant, D-Bus type, least and greatest value.
TYPES = {
    "string": ("DM_STRING", "s", None, None),
    "boolean": ("DM_BOOLEAN", "b", None, None),
    "unsignedInt": ("DM_UNSIGNED_INT", "u", 0, 2**32 - 1),
    "int": ("DM_INT", "i", -(2**31), 2**31 - 1),
    "unsignedLong": ("DM_UNSIGNED_LONG", "t", 0, 2**64 - 1),
    "long": ("DM_LONG", "x", -(2**63), 2**63 - 1),
    "dateTime": ("DM_DATE_TIME", "s", None, None),
    "base64": ("DM_BASE64", "s", None, None),
    "hexBinary": ("DM_HEX_BINARY", "s", None, None),
}
NOTIFY = ("normal", "forceEnabled", "forceDefaultEnabled", "canDeny")
EMPTY = {"boolean": "false", "unsignedInt": "0", "int": "0", "unsignedLong": "0", "long": "0", "dateTime": "0001-01-01T00:00:00Z"}


class SchemaError(Exception):
    """What is wrong, and where in the schema."""


@dataclass
class Parameter:
    name: str
    path: str
    description: str
    type: str
    writable: bool = False
    notify: str = "normal"
    flags: list = field(default_factory=list)
    length: tuple = (0, VALUE_MAX)
    range: tuple = (0, 0)
    units: str = ""
    enumeration: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    same_instances: int = 0
    default: str = ""
    list: bool = False
    id: int = -1
    object: int = -1
    table: int = -1  # of a NumberOfEntries


@dataclass
class Object:
    path: str
    description: str = ""
    container: bool = False
    creatable: bool = False
    min_entries: int = 1
    max_entries: int = 1
    factory_entries: int = 0
    enable: str = ""
    num_entries: str = ""
    unique_keys: list = field(default_factory=list)  # (functional, [names])
    parameters: list = field(default_factory=list)
    id: int = -1
    parent: int = -1

    @property
    def table(self):
        return self.path.endswith("{i}.")

    @property
    def name(self):
        return self.path.removesuffix("{i}.").rstrip(".").rpartition(".")[2]

    @property
    def parent_path(self):
        return self.path.removesuffix("{i}.").rstrip(".").rpartition(".")[0] + "." if "." in self.path.removesuffix("{i}.").rstrip(".") else ""


@dataclass
class Model:
    name: str
    service: str
    mount: str
    is_service: bool
    objects: list = field(default_factory=list)
    device_types: list = field(default_factory=list)
    definition: str = ""  # file name under which the definition itself is published
    document: ET.Element = None

    @property
    def parameters(self):
        return [p for o in self.objects for p in o.parameters]

    def top_objects(self):
        return [o for o in self.objects if not o.container and self.objects[o.parent].container]

    def interface(self, obj):
        """Last part of the D-Bus interface name."""
        if obj.container:
            return obj.name or "Root"
        return obj.path.removeprefix(self.mount).replace("{i}.", "").rstrip(".")


def fail(where, text):
    raise SchemaError(f"{where}: {text}")


def description(element):
    return " ".join((element.findtext("description") or "").split())


def number(where, element, attribute, default):
    value = element.get(attribute)
    if value is None or value == "unbounded":
        return default
    if not re.fullmatch(r"-?\d+", value):
        fail(where, f"{attribute}=\"{value}\" is not a number")
    return int(value)


def choice(where, element, attribute, allowed, default):
    value = element.get(attribute, default)
    if value not in allowed:
        fail(where, f"{attribute}=\"{value}\" is none of {', '.join(allowed)}")
    return value


def read_reference(model, parameter, element):
    parameter.type = "pathRef"
    if choice(parameter.path, element, "refType", ("weak", "strong"), None) == "strong":
        parameter.flags.append("DM_STRONG")
    choice(parameter.path, element, "targetType", ("row",), None)
    for target in element.get("targetParent", "").split():
        if target.startswith("."):
            if not model.is_service:
                fail(parameter.path, f"{target} is relative, but the model is no service object")
            service = parameter.path.removeprefix(model.mount).split(".")[0]
            target = f"{model.mount}{service}.{{i}}{target}"
            parameter.same_instances = 1
        parameter.targets.append(target + "{i}")
    if not parameter.targets:
        fail(parameter.path, "pathRef without targetParent")


def read_facets(model, parameter, kind, element):
    for facet in element:
        tag = facet.tag
        if tag == "size":
            parameter.length = (number(parameter.path, facet, "minLength", 0), number(parameter.path, facet, "maxLength", VALUE_MAX))
        elif tag == "range":
            parameter.range = (number(parameter.path, facet, "minInclusive", parameter.range[0]),
                               number(parameter.path, facet, "maxInclusive", parameter.range[1]))
        elif tag == "units":
            parameter.units = facet.get("value")
        elif tag == "enumeration":
            parameter.enumeration.append(facet.get("value"))
        elif tag == "pathRef":
            read_reference(model, parameter, facet)
        elif tag != "enumerationRef":
            fail(parameter.path, f"<{tag}> is not understood")
    if element.get(ISP + "firstWord") == "true":
        parameter.flags.append("DM_FIRST_WORD")


def read_syntax(model, parameter, syntax):
    if syntax is None:
        fail(parameter.path, "no <syntax>")
    kinds = [e for e in syntax if e.tag in TYPES or e.tag == "dataType"]
    if len(kinds) != 1:
        fail(parameter.path, "exactly one type is needed in <syntax>")
    kind = kinds[0].tag
    if kind == "dataType":
        if kinds[0].get("ref") != "Alias":
            fail(parameter.path, f"unknown data type {kinds[0].get('ref')}")
        kind, parameter.length = "string", (0, 64)
    parameter.type = kind
    parameter.range = TYPES[kind][2:]
    read_facets(model, parameter, kind, kinds[0])

    lists = syntax.find("list")
    if lists is not None:
        parameter.list = True
        parameter.flags.append("DM_LIST")
        size = lists.find("size")
        parameter.length = (0, number(parameter.path, size, "maxLength", VALUE_MAX)) if size is not None else (0, VALUE_MAX)
    persistence = choice(parameter.path, syntax, ISP + "persistence", ("normal", "volatile", "stored"), "normal")
    if syntax.get("hidden") == "true":
        parameter.flags.append("DM_HIDDEN")
    elif persistence == "stored":
        fail(parameter.path, "persistence=\"stored\" is for hidden parameters")
    if persistence != "normal":
        parameter.flags.append(f"DM_{persistence.upper()}")

    default = syntax.find("default")
    parameter.default = EMPTY.get(kind, "") if default is None else default.get("value")
    check_default(parameter, default is not None)


def check_default(parameter, given):
    value, (low, high) = parameter.default, parameter.range
    if parameter.list:
        items = [v for v in value.split(",") if v]
    else:
        items = [value]
    for item in items:
        if parameter.enumeration and item not in parameter.enumeration and not ("DM_FIRST_WORD" in parameter.flags and item == ""):
            fail(parameter.path, f"default \"{item}\" is not in the enumeration")
        if low is not None and not (re.fullmatch(r"-?\d+", item) and low <= int(item) <= high):
            fail(parameter.path, f"default \"{item}\" is not a number from {low} to {high}")
    if given and value and not parameter.list and low is None and not parameter.length[0] <= len(value) <= parameter.length[1]:
        fail(parameter.path, f"default \"{value}\" has the wrong length")


def read_parameter(model, obj, element):
    name = element.get("name", "")
    parameter = Parameter(name, obj.path + name, description(element), "string")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        fail(parameter.path, "not a name")
    if len(parameter.path) > PATH_MAX:
        fail(parameter.path, "path too long")
    if not parameter.description:
        fail(parameter.path, "no <description>")
    if name in (p.name for p in obj.parameters):
        fail(parameter.path, "defined twice")
    if choice(parameter.path, element, "access", ("readOnly", "readWrite"), None) == "readWrite":
        parameter.flags.append("DM_WRITABLE")
        parameter.writable = True
    parameter.notify = choice(parameter.path, element, "activeNotify", NOTIFY, "normal")
    if element.get("forcedInform") == "true":
        parameter.flags.append("DM_FORCED_INFORM")
    for flag in ("trigger", "dynamic", "constant"):
        if element.get(ISP + flag) == "true":
            parameter.flags.append(f"DM_{flag.upper()}")
    if parameter.writable and {"DM_DYNAMIC", "DM_CONSTANT"} & set(parameter.flags):
        fail(parameter.path, "writable, but dynamic or constant")
    read_syntax(model, parameter, element.find("syntax"))
    obj.parameters.append(parameter)


def read_object(model, element):
    path = model.mount + element.get("name", "")
    if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_-]*\.({i}\.)?)+", path):
        fail(path, "not an object's path")
    if path.count("{i}") > DEPTH_MAX:
        fail(path, "too deep")
    obj = Object(path, description(element))
    obj.creatable = choice(path, element, "access", ("readOnly", "readWrite"), None) == "readWrite"
    obj.min_entries = number(path, element, "minEntries", 0)
    obj.max_entries = number(path, element, ISP + "maxEntries", number(path, element, "maxEntries", 0))
    obj.factory_entries = number(path, element, ISP + "factoryEntries", 0)
    obj.enable = element.get("enableParameter", "")
    obj.num_entries = element.get("numEntriesParameter", "")
    if obj.table and not obj.max_entries:
        fail(path, "an unbounded table needs isp:maxEntries")
    if obj.table and not obj.num_entries:
        fail(path, "a table needs numEntriesParameter")
    for key in element.iterfind("uniqueKey"):
        obj.unique_keys.append((key.get("functional", "true") == "true", [p.get("ref") for p in key.iterfind("parameter")]))
    for child in element.iterfind("parameter"):
        read_parameter(model, obj, child)
    for name in [obj.enable, *(n for _, names in obj.unique_keys for n in names)]:
        if name and name not in (p.name for p in obj.parameters):
            fail(path, f"there is no parameter {name}")
    return obj


def add_containers(model):
    """Puts in the objects that others own: the root, and those that the mount names."""
    paths = {o.path for o in model.objects}
    for obj in list(model.objects):
        path = obj.parent_path
        while path not in paths:
            if not model.mount.startswith(path):
                fail(obj.path, f"{path} is not defined")
            model.objects.insert(0, Object(path, container=True))
            paths.add(path)
            path = Object(path).parent_path


def link(model):
    """Numbers objects and parameters, and resolves the names by which they refer to each other."""
    for i, obj in enumerate(model.objects):
        obj.id = i
    for i, parameter in enumerate(model.parameters):
        parameter.id = i
    ids = {}
    for obj in model.objects:
        if obj.path in ids:
            fail(obj.path, "defined twice")
        ids[obj.path] = obj.id
        if obj.path:
            obj.parent = ids.get(obj.parent_path, -1)
            if obj.parent < 0:
                fail(obj.path, "comes before the object above it")
        for parameter in obj.parameters:
            parameter.object = obj.id
    for obj in model.objects:
        if obj.table:
            count = next((p for p in model.objects[obj.parent].parameters if p.name == obj.num_entries), None)
            if not count or count.type != "unsignedInt" or count.writable:
                fail(obj.path, f"{obj.num_entries} is not a read-only unsignedInt beside it")
            count.table = obj.id
            count.flags.append("DM_NUM_ENTRIES")


def read(path, oui):
    if not re.fullmatch(r"[0-9A-F]{6}", oui):
        raise SchemaError(f"the OUI \"{oui}\" is not six upper-case hexadecimal digits")
    try:
        document = ET.fromstring(path.read_text(encoding="utf-8").replace("@OUI@", oui))
    except ET.ParseError as error:
        raise SchemaError(f"not well-formed: {error}") from None
    element = document.find("model")
    if document.tag != f"{{{DM}}}document" or element is None:
        raise SchemaError("not a data-model document with a <model>")
    service = element.get(ISP + "service", "")
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", service):
        raise SchemaError(f"isp:service=\"{service}\" is not a bus name")
    model = Model(path.stem, service, element.get(ISP + "mount", ""), element.get("isService") == "true")
    model.definition = element.get(ISP + "definition", "")
    model.document = copy.deepcopy(document)
    model.device_types = [dict(e.attrib) for e in element.iterfind(ISP + "deviceType")]

    model.objects = [Object("", container=True)]
    for child in element.iterfind("object"):
        model.objects.append(read_object(model, child))
    add_containers(model)
    model.objects.sort(key=lambda o: (not o.container, len(o.path) if o.container else 0))
    top = next(o for o in model.objects if o.path == model.mount)
    for child in element.iterfind("parameter"):
        read_parameter(model, top, child)
    link(model)
    return model
