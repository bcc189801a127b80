"""The tables that the programs are made of, as lists: settings, verbs, general options, options of verbs.

Read by the C preprocessor from the headers, so that pages and completion say what the code says. Used by make.py at
build time and by tests/lint/reference.py.
"""
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def define(name, parameters, fields):
    return f"#define {name}({parameters}) @ROW " + " ".join(f"@F {f}" for f in fields) + " @END\n"


def rows(header, macro, arguments, template):
    """A table header as the preprocessor sees it, one list of fields a row."""
    code = f'#include "{header}"\n' + "".join(template) + f"{macro}({arguments})\n"
    done = subprocess.run([os.environ.get("CC", "cc"), "-E", "-P", "-D_GNU_SOURCE", "-I", ROOT, "-x", "c", "-"], input=code.encode(),
                          stdout=subprocess.PIPE, check=True)
    text = done.stdout.decode()
    found = []
    for row in re.findall(r"@ROW(.*?)@END", text, re.S):
        fields = []
        for field in row.split("@F"):
            pieces = re.findall(r'"((?:\\.|[^"\\])*)"', field)
            fields.append("".join(pieces).replace('\\"', '"') if pieces else field.strip())
        found.append(fields[1:])
    return found


def settings():
    """kind, section, key, default, least (or choices, or a further environment name), most, unit, what it is for."""
    template = [
        define("I", "s, k, u, d, lo, hi, t", ['"int"', "#s", "#k", "d", "lo", "hi", "u", "t"]),
        define("B", "s, k, d, t", ['"bool"', "#s", "#k", "#d", '""', '""', '""', "t"]),
        define("C", "s, k, c, d, t", ['"choice"', "#s", "#k", "d", "c", '""', '""', "t"]),
        define("T", "s, k, d, t", ['"text"', "#s", "#k", "d", '""', '""', '""', "t"]),
        define("S", "s, k, also, t", ['"secret"', "#s", "#k", '""', "also", '""', '""', "t"]),
    ]
    return rows("common/conf_table.h", "CONF_MAP", "I, B, C, T, S", template)


def general_options():
    """option, what it does."""
    return rows("common/conf.h", "CONF_GENERAL_MAP", "X", [define("X", "o, a", ["o", "a"])])


def verbs(program):
    """name, arguments, what it does, exit status; of worker or monitor (the edge has none)."""
    if program == "edge":
        return []
    template = [define("X", "f, n, a, t, e", ["n", "a", "t", "e"])]
    return rows(f"{program}/verbs_table.h", f"{program.upper()}_VERBS_MAP", "X", template)


def _text(path, name):
    """The text of a C string constant."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        value = re.search(name + r"\[\]\s*=\s*((?:\"(?:\\.|[^\"\\])*\"\s*)+);", f.read())[1]
    text = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', value))
    return text.replace("\\n", "\n").replace('\\"', '"')


USAGES = {"trace": ("worker/trace_args.c", "trace_args_usage"), "vast": ("worker/vast_args.c", "vast_args_usage"),
          "url": ("worker/tools_url.c", "URL_USAGE"), "refresh": ("worker/tools_url.c", "REFRESH_USAGE"),
          "macro": ("worker/tools_macro.c", "USAGE")}


def verb_options(verb):
    """option, its argument, what it does ("" where the usage has no list); what the verb's usage text says."""
    if verb not in USAGES:
        return []
    text = _text(*USAGES[verb])
    listed = re.findall(r"^  (--[a-z-]+)(?: (\S+))? +(\S.*(?:\n {12,}\S.*)*)$", text, re.M)
    if listed:
        return [(option, argument, " ".join(about.split())) for option, argument, about in listed]
    found = re.findall(r"(--[a-z-]+)(?: ([A-Za-z|=]+)(?=\]))?", text)
    return list(dict.fromkeys((option, argument, "") for option, argument in found))
