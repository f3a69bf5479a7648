# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the engine (common/datamodel/dm-schema.h)."""

import re

from .schema import TYPES

NOTICE = """/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made by dmgen.py from {name}.xml. */
"""


def c_string(text):
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def constant(camel):
    camel = re.sub(r"^X_[0-9A-F]{6}_", "", camel)
    camel = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", camel)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", camel).upper()


def object_words(model, obj):
    """The elements that name the object within the schema: without the mount, and without the one object that all are below."""
    words = obj.path.removeprefix(model.mount).replace("{i}.", "").rstrip(".").split(".")
    if obj.container or (model.is_service and len(words) == 1):
        return []
    return words[1:] if model.is_service else words


def constants(model):
    prefix = model.name.upper()
    for obj in model.objects:
        words = object_words(model, obj)
        yield obj, None, "_".join([prefix, "OBJECT", *map(constant, words or [obj.name or "Root"])])
        for parameter in obj.parameters:
            yield obj, parameter, "_".join([prefix, *map(constant, [*words, parameter.name])])


def header(model):
    prefix = model.name.upper()
    out = [NOTICE.format(name=model.name), "#pragma once\n", '#include "common/datamodel/dm-schema.h"\n',
           f"extern const DmSchema {model.name}_schema;\n"]
    names = list(constants(model))
    for kind, title in ((False, "Object"), (True, "Parameter")):
        out.append(f"enum {prefix.capitalize()}{title} {{")
        out += [f"        {name}," for _, parameter, name in names if bool(parameter) == kind]
        out.append(f"        _{prefix}_{title.upper()}_MAX,\n}};\n")
    out.append("/* printf formats of the paths of objects, and of tables, with a dot at the end. */")
    for obj, parameter, name in names:
        if parameter or obj.container:
            continue
        path = obj.path.replace("{i}", "%u")
        name = name.replace("_OBJECT_", "_PATH_", 1)
        out.append(f"#define {name} {c_string(path)}")
        if obj.table:
            out.append(f"#define {name.replace('_PATH_', '_TABLE_', 1)} {c_string(path.removesuffix('%u.'))}")
    return "\n".join(out) + "\n"


def string_lists(model):
    """Static arrays for enumerations and reference patterns, each different one once. Returns text and names by content."""
    out, names = [], {}
    for parameter in model.parameters:
        for content in (tuple(parameter.enumeration), tuple(parameter.targets)):
            if content and content not in names:
                names[content] = f"strings_{len(names)}"
                out.append(f"static const char *const {names[content]}[] = {{")
                out += [f"        {c_string(text)}," for text in content]
                out.append("        NULL,\n};")
    return out, names


def key_lists(model):
    out, names = [], {}
    for obj in model.objects:
        if not obj.unique_keys:
            continue
        ids = {p.name: p.id for p in obj.parameters}
        names[obj.id] = f"keys_{obj.id}"
        for i, (_, parameters) in enumerate(obj.unique_keys):
            out.append(f"static const uint16_t key_{obj.id}_{i}[] = {{ {', '.join(str(ids[n]) for n in parameters)} }};")
        out.append(f"static const DmUniqueKey keys_{obj.id}[] = {{")
        for i, (functional, parameters) in enumerate(obj.unique_keys):
            out.append(f"        {{ key_{obj.id}_{i}, {len(parameters)}, {str(functional).lower()} }},")
        out.append("};")
    return out, names


def c_parameter(p, lists):
    low, high = p.range if p.type not in ("string", "pathRef") and p.range[0] is not None else (0, 0)
    low = "INT64_MIN" if low == -(2**63) else f"INT64_C({low})"
    fields = {
        "name": c_string(p.name),
        "id": p.id,
        "object": p.object,
        "type": "DM_PATH_REF" if p.type == "pathRef" else TYPES[p.type][0],
        "flags": " | ".join(p.flags) or "0",
        "notify": "DM_NOTIFY_" + re.sub(r"([A-Z])", r"_\1", p.notify).upper(),
        "min_length": p.length[0],
        "max_length": p.length[1],
        "minimum": low,
        "maximum": f"UINT64_C({high})",
        "enumeration": lists.get(tuple(p.enumeration), "NULL"),
        "targets": lists.get(tuple(p.targets), "NULL"),
        "same_instances": p.same_instances,
        "table": p.table if p.table >= 0 else "DM_NO_INDEX",
        "default_value": c_string(p.default),
    }
    return "        { " + ", ".join(f".{k} = {v}" for k, v in fields.items()) + " },"


def c_object(model, obj, keys, first):
    index = {p.name: p.id for p in obj.parameters}
    flags = [name for name, on in (("DM_TABLE", obj.table), ("DM_CREATABLE", obj.creatable), ("DM_CONTAINER", obj.container)) if on]
    children = [o.id for o in model.objects if o.parent == obj.id]
    fields = {
        "path": c_string(obj.path),
        "name": c_string(obj.name),
        "id": obj.id,
        "parent": obj.parent if obj.parent >= 0 else "DM_NO_INDEX",
        "flags": " | ".join(flags) or "0",
        "first_parameter": first,
        "n_parameters": len(obj.parameters),
        "children": f"children_{obj.id}" if children else "NULL",
        "n_children": len(children),
        "enable_parameter": index.get(obj.enable, "DM_NO_INDEX"),
        "alias_parameter": index.get("Alias", "DM_NO_INDEX"),
        "max_entries": obj.max_entries,
        "factory_entries": obj.factory_entries,
        "unique_keys": keys.get(obj.id, "NULL"),
        "n_unique_keys": len(obj.unique_keys),
        "bus_interface": c_string(model.interface(obj)),
    }
    return "        { " + ", ".join(f".{k} = {v}" for k, v in fields.items()) + " },"


def source(model):
    lists, list_names = string_lists(model)
    keys, key_names = key_lists(model)
    out = [NOTICE.format(name=model.name), f'#include "{model.name}-schema.h"\n', *lists, *keys]
    for obj in model.objects:
        children = [str(o.id) for o in model.objects if o.parent == obj.id]
        if children:
            out.append(f"static const uint16_t children_{obj.id}[] = {{ {', '.join(children)} }};")
    out.append("static const DmParameter parameters[] = {")
    out += [c_parameter(p, list_names) for p in model.parameters]
    out.append("};\nstatic const DmObject objects[] = {")
    first = 0
    for obj in model.objects:
        out.append(c_object(model, obj, key_names, first))
        first += len(obj.parameters)
    out.append("};\nstatic const char *const prefixes[] = {")
    out += [f"        {c_string(o.path.removesuffix('{i}.'))}," for o in model.top_objects()]
    out += [f"        {c_string(p.path)}," for o in model.objects if o.container for p in o.parameters]
    out.append("        NULL,\n};")
    out.append(f"""const DmSchema {model.name}_schema = {{
        .name = {c_string(model.name)},
        .objects = objects,
        .n_objects = {len(model.objects)},
        .parameters = parameters,
        .n_parameters = {len(model.parameters)},
        .prefixes = prefixes,
}};""")
    return "\n".join(out) + "\n"
