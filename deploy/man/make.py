"""make.py OUTPUT INPUT VERSION DATE - a manual page or a completion from its source: fills in the parts that repeat tables.

A line `@NAME@` or `@NAME PROGRAM@` stands for such a part, in mdoc(7) or, in a .bash file, in bash.
"""
import re
import sys
import textwrap

import tables


def roff(text):
    text = text.replace("\\", "\\e")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line
                     for line in textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False))


def option(words):
    """`--name VALUE` or `--name=VALUE` as mdoc."""
    name, sign, value = re.fullmatch(r"--([^ =]+)(?:([ =])(.*))?", words).groups()
    if not value:
        return f".It Fl -{name}"
    return f".It Fl -{name} Ar {value}" if sign == " " else f".It Fl -{name} Ns = Ns Ar {value}"


def listed(items, width="Ds"):
    return "\n".join([f".Bl -tag -width {width}"] + [f"{head}\n{body}" for head, body in items] + [".El"])


def general(_):
    return listed([(option(o), roff(about[:1].upper() + about[1:] + ".")) for o, about in tables.general_options()])


def synopsis(program):
    lines = [f".Nm tracepool-{program}\n.Op Ar option ..."]
    for name, arguments, _, _ in tables.verbs(program):
        lines.append(f".Nm tracepool-{program}\n.Op Ar option ...\n.Cm {name}" + (f"\n.Ar {arguments}" if arguments else ""))
    return "\n".join(lines)


def verb_list(program):
    """Each verb with what it does, its options and its exit status."""
    items = []
    for name, arguments, about, exits in tables.verbs(program):
        body = roff(about[:1].upper() + about[1:] + ".")
        options = [(f".It Fl {o[1:]}" + (f" Ar {a}" if a else ""), roff(t) if t else "")
                   for o, a, t in tables.verb_options(name)]
        described = [(head, text) for head, text in options if text]
        if described:
            body += "\n" + listed(described)
        body += "\n.Pp\n" + roff(f"Exit status: {exits}.")
        items.append((f".It Cm {name}" + (f" Ar {arguments}" if arguments else ""), body))
    return listed(items)


def allowed(kind, low, high, unit):
    units = {"s": "seconds, or with s, m, h, d", "ms": "milliseconds, or with ms, s, m", "bytes": "bytes, or with B, k, M, G",
             "%": "percent"}
    if kind == "int":
        return f"{low} to {high}" + (f" ({units[unit]})" if unit in units else "")
    if kind == "choice":
        return "one of: " + ", ".join(low.split())
    if kind == "secret":
        return "a secret" + (f"; also the environment's {low}" if low else "")
    return {"bool": "true or false", "text": "text"}[kind]


def setting(kind, key, default, low, high, unit, about):
    body = [roff(about[:1].upper() + about[1:] + "."), roff(f"Allowed: {allowed(kind, low, high, unit)}.")]
    if default:
        body.append(f"Default:\n.Li {default} .")
    return f".It Cm {key} , {key}_file" if kind == "secret" else f".It Cm {key}", "\n".join(body)


def settings(_):
    sections = {}
    for kind, section, key, *rest in tables.settings():
        sections.setdefault(section, []).append(setting(kind, key, *rest))
    return "\n".join(f".Ss Section {section}\n{listed(items)}" for section, items in sections.items())


# --- completion ---------------------------------------------------------------------------------------------------

def words(name, found):
    return f"_tracepool_{name}='" + "\n".join(textwrap.wrap(" ".join(found), 110, break_on_hyphens=False)) + "'"


def bash_general(_):
    return words("general", [o.split("=")[0].split(" ")[0] for o, _ in tables.general_options() if "." not in o])


def bash_settings(_):
    return words("settings", [f"--{row[1]}.{row[2]}" + ("_file=" if row[0] == "secret" else "=") for row in tables.settings()])


def bash_choices(_):
    """What a setting's value may be, where that is a handful of words."""
    lines = []
    for kind, section, key, _, low, *_ in tables.settings():
        if kind in ("choice", "bool"):
            lines.append(f"    --{section}.{key}) echo '{low if kind == 'choice' else 'true false'}' ;;")
    return "\n".join(lines)


def bash_verbs(program):
    found = tables.verbs(program)
    lines = [words(f"{program}_verbs", [name for name, *_ in found])]
    cases = [f"    {program}.{name}) echo '{' '.join(o for o, _, _ in tables.verb_options(name))}' ;;" for name, *_ in found
             if tables.verb_options(name)]
    return "\n".join(lines), "\n".join(cases)


def bash_verb_names(_):
    return "\n".join(bash_verbs(program)[0] for program in ("edge", "worker", "monitor"))


def bash_verb_options(_):
    return "\n".join(filter(None, (bash_verbs(program)[1] for program in ("edge", "worker", "monitor"))))


PARTS = {"general": general, "synopsis": synopsis, "verbs": verb_list, "settings": settings, "bash-general": bash_general,
         "bash-settings": bash_settings, "bash-choices": bash_choices, "bash-verbs": bash_verb_names,
         "bash-verb-options": bash_verb_options}


def main():
    output, source, version, date = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r"^@([a-z-]+)(?: (\w+))?@$", lambda m: PARTS[m[1]](m[2]), text, flags=re.M)
    text = text.replace("@VERSION@", version).replace("@DATE@", date)
    with open(output, "w", encoding="utf-8") as f:
        f.write(text)


main()
