# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents that DeviceInfo.SupportedDataModel refers to: device type instances (TR-106 annex B) and, for an object of our
own, its definition (TR-106 annex A)."""

import uuid
import xml.etree.ElementTree as ET

from .schema import DM, ISP

DT = "urn:broadband-forum-org:cwmp:devicetype-1-15"


def serialize(element, **namespaces):
    for prefix, uri in namespaces.items():
        ET.register_namespace(prefix, uri)
    ET.indent(element, "  ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(element, encoding="unicode") + "\n"


def add_parameters(element, parameters, without):
    for p in parameters:
        if p.path not in without:
            ET.SubElement(element, "parameter", ref=p.name, access="readWrite" if p.writable else "readOnly")


def device_type(model, kind):
    without = kind.get("without", "").split()
    root = ET.Element(f"{{{DT}}}document", deviceType=f"urn:ispstorage:device-type:{kind['model']}")
    imported = ET.SubElement(root, "import", file=kind["import"], spec=kind["spec"])
    ET.SubElement(imported, "model", name=kind["model"])
    body = ET.SubElement(root, "model", ref=kind["model"])
    for obj in model.objects:
        name = kind["root"] + obj.path.removeprefix(model.mount)
        if obj.container and not name:
            add_parameters(body, obj.parameters, without)
            continue
        if obj.container and obj.path and not obj.parameters:
            continue
        element = ET.SubElement(body, "object", ref=name, access="createDelete" if obj.creatable else "readOnly",
                                minEntries=str(obj.min_entries), maxEntries=str(obj.max_entries))
        add_parameters(element, obj.parameters, without)
    # The name is derived from the content, so that another content has another one (TR-106 annex B).
    root.set("uuid", str(uuid.uuid5(uuid.NAMESPACE_URL, ET.tostring(root, encoding="unicode"))))
    return serialize(root, dt=DT)


def definition(model):
    root = model.document
    for element in root.iter():
        for child in [c for c in element if c.tag.startswith(ISP)]:
            element.remove(child)
        if element.get(ISP + "firstWord") == "true":
            words = [e for e in element if e.tag == "enumeration"]
            for word in words:
                element.remove(word)
            ET.SubElement(element, "pattern", value="")
            ET.SubElement(element, "pattern", value=f"({'|'.join(w.get('value') for w in words)})( .*)?")
        for name in [a for a in element.attrib if a.startswith(ISP)]:
            del element.attrib[name]
    return serialize(root, dm=DM)


def documents(model):
    files = {kind["file"]: device_type(model, kind) for kind in model.device_types}
    if model.definition:
        files[model.definition] = definition(model)
    return files
