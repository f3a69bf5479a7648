# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameter reference, in Markdown."""


def constraints(p):
    out = []
    if p.list:
        out.append("list")
    if p.enumeration:
        out.append(("first word of " if "DM_FIRST_WORD" in p.flags else "one of ") + ", ".join(f"`{v}`" for v in p.enumeration))
    if p.type == "string" and p.length != (0, 32768):
        out.append(f"{f'{p.length[0]} to' if p.length[0] else 'at most'} {p.length[1]} characters")
    if p.targets:
        out.append("row of " + " or ".join(f"`{t.removesuffix('{i}')}`" for t in p.targets))
    if p.type in ("unsignedInt", "int") and p.range not in ((0, 2**32 - 1), (-(2**31), 2**31 - 1)):
        out.append(f"{p.range[0]} to {p.range[1]}")
    if p.units:
        out.append(p.units)
    if p.default and not p.table >= 0:
        out.append(f"default `{p.default}`")
    out += [word for word, flag in (("hidden", "DM_HIDDEN"), ("every write counts", "DM_TRIGGER"),
                                    ("in every Inform", "DM_FORCED_INFORM")) if flag in p.flags]
    if p.notify != "normal":
        out.append(f"notification: {p.notify}")
    return "; ".join(out)


def reference(model):
    out = [f"# Parameters of `{model.service}`\n"]
    for obj in model.objects:
        if obj.container and not obj.parameters:
            continue
        rows = f" Rows: at most {obj.max_entries}{', made and deleted by the ACS' if obj.creatable else ''}." if obj.table else ""
        out.append(f"## `{obj.path or '(root)'}`\n")
        if obj.description:
            out.append(f"{obj.description}{rows}\n")
        if obj.parameters:
            out.append("| parameter | type | access | rules | meaning |\n|---|---|---|---|---|")
        for p in obj.parameters:
            out.append(f"| `{p.name}` | {p.type} | {'W' if p.writable else 'R'} | {constraints(p)} | {p.description} |".replace("\n", " "))
        out.append("")
    return "\n".join(out) + "\n"
