# SPDX-License-Identifier: GPL-2.0-or-later
"""D-Bus introspection data of the parameter objects: one interface per data-model object."""

from xml.sax.saxutils import escape

from .schema import TYPES

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<!-- Made by dmgen.py from {name}.xml. -->
<node>
"""


def emits_changed(parameter):
    if "DM_CONSTANT" in parameter.flags:
        return "const"
    return "false" if "DM_DYNAMIC" in parameter.flags or "DM_HIDDEN" in parameter.flags else "true"


def interfaces(model):
    out = [HEAD.format(name=model.name)]
    for obj in model.objects:
        if obj.container and not obj.parameters:
            continue
        out.append(f"        <!-- {escape(obj.path)} {escape(obj.description).replace('--', '-')} -->\n")
        out.append(f'        <interface name="{model.service}.{model.interface(obj)}">\n')
        for p in obj.parameters:
            kind = "s" if p.list or p.type == "pathRef" else TYPES[p.type][1]
            access = "readwrite" if p.writable else "read"
            out.append(f"                <!-- {escape(p.description).replace('--', '-')} -->\n")
            out.append(f'                <property name="{p.name}" type="{kind}" access="{access}">\n')
            out.append(f'                        <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="{emits_changed(p)}"/>\n')
            out.append("                </property>\n")
        out.append("        </interface>\n")
    out.append("</node>\n")
    return "".join(out)
