#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at the source text: who includes whom, and what the library must not call.

    layers.py SOURCE_DIR     lists what is wrong, one line each; exit status 1 when there is something
    layers.py --self-test    shows that every rule finds what it is for

    common ─▶ ir ─▶ op ─▶ pass ─▶ model ─▶ device.h, plan ─▶ host, cl ─▶ runtime ─▶ sched ─▶ api
                      └─▶ import, export ────────────────────────────────────────────────▶┘
"""
import os
import re
import sys

# What a layer may include besides itself. The device interface and the plan describe each other (a plan is made for a
# device, a device executes a plan), so they are one layer; the two kinds of devices do not know each other.
BELOW_PLAN = {"common", "transform/ir", "transform/op", "transform/model"}
BELOW_DEVICES = {"common", "transform/ir", "transform/op", "runtime/device.h", "runtime/plan"}
ONNX_MESSAGES = "transform/import/onnx/onnx.pb-c.h"  # generated; for both directions
LAYERS = {
    "common": set(),
    "transform/ir": {"common"},
    "transform/op": {"common", "transform/ir"},
    ONNX_MESSAGES: set(),
    "transform/import": {"common", "transform/ir", "transform/op", ONNX_MESSAGES},
    "transform/export": {"common", "transform/ir", "transform/op", ONNX_MESSAGES},
    "transform/pass": {"common", "transform/ir", "transform/op"},
    "transform/quant": {"common", "transform/ir", "transform/op", "transform/pass"},
    "transform/model": {"common", "transform/ir", "transform/op", "transform/pass"},
    "runtime/device.h": BELOW_PLAN | {"runtime/plan"},
    "runtime/plan": BELOW_PLAN | {"runtime/device.h"},
    "runtime/host": BELOW_DEVICES,
    "runtime/cl": BELOW_DEVICES,
    "runtime": BELOW_DEVICES | {"transform/model", "runtime/host", "runtime/cl"},
    "sched": BELOW_DEVICES | {"transform/model", "runtime"},
    "api": None,  # everything
}

# The public headers that a layer may include; version.h is for all.
PUBLIC = {
    "common": {"common.h"},
    "transform/ir": {"common.h", "op.h", "graph.h"},
    "transform/op": {"common.h", "op.h", "graph.h"},
    "transform/import": {"common.h", "op.h", "graph.h", "model.h"},
    "transform/export": {"common.h", "op.h", "graph.h"},
    "transform/pass": {"common.h", "op.h", "graph.h"},
    "transform/quant": {"common.h", "op.h", "graph.h", "quantize.h"},
    "transform/model": {"common.h", "op.h", "graph.h", "model.h"},
    "runtime/device.h": {"common.h", "op.h", "graph.h", "model.h", "device.h"},
    "runtime/plan": {"common.h", "op.h", "graph.h", "model.h", "device.h"},
    "runtime/host": {"common.h", "op.h", "device.h"},
    "runtime/cl": {"common.h", "op.h", "device.h"},
    "runtime": {"common.h", "op.h", "graph.h", "model.h", "device.h", "session.h"},
    "sched": {"common.h", "op.h", "graph.h", "model.h", "device.h", "session.h", "engine.h"},
    "api": None,
}

# Folders of programs, and where their quoted includes may lie.
PROGRAMS = {"tools": ["tools", "examples/faces"], "bench": ["bench", "tools"],
            "examples": ["examples", "examples/faces"]}

# X in code (comments and strings taken out) below src/, and the one file that may have it.
FORBIDDEN = [
    (r"\b(?:secure_)?getenv\b|\b(?:set|put|unset)env\b|\benviron\b", "src/common/environment.c",
     "environment variables belong in src/common/environment.c"),
    (r"\b(?:v?printf|puts|putchar|perror)\s*\(|\bstdout\b|\bstderr\b", None, "the library does not print"),
    (r"\b(?:exit|_exit|_Exit|quick_exit|abort)\s*\(", None, "the library does not end the program"),
    (r"\b(?:signal|sigaction|setlocale|chdir|umask)\s*\(", None, "the library does not change the program around it"),
    (r"\b(?:strcat|sprintf|vsprintf|gets|alloca|strtok)\s*\(", None, "unbounded, or not thread-safe"),
]

# Spelled in two parts, so that this file is not found.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")
TEXT_FOLDERS = ["src", "include", "kernels", "tools", "bench", "examples", "tests", "docs", "ci", "models"]
TEXT_ENDINGS = (".c", ".h", ".cl", ".clh", ".proto", ".py", ".sh", ".md", ".build")
SPDX_ENDINGS = (".c", ".h", ".cl", ".clh")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def layer_of(path):
    """The layer of a path below src/; None when it is in no known layer."""
    parts = path.split("/")
    if path in LAYERS:
        return path
    for n in (2, 1):
        if len(parts) > n and "/".join(parts[:n]) in LAYERS:
            return "/".join(parts[:n])
    return None


def code_of(text):
    """The text with comments and strings blanked; lines stay where they are."""
    return COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def includes_of(text):
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match.group(1) == '"', match.group(2)


def check_library(tree):
    for path, text in tree.items():
        if not path.startswith("src/") or not path.endswith((".c", ".h")):
            continue
        layer = layer_of(path[4:])
        if layer is None:
            yield path, 1, "in no layer that tests/lint/layers.py knows"
            continue
        for line, quoted, name in includes_of(text):
            if name.startswith("tf2/"):
                allowed = PUBLIC[layer]
                if quoted:
                    yield path, line, "public headers are included as <%s>" % name
                if allowed is not None and name[4:] not in allowed | {"version.h"}:
                    yield path, line, "%s includes <%s>, which is above it" % (layer, name)
                continue
            if not quoted:
                continue
            other = layer_of(name)
            if "src/" + name not in tree and not name.endswith(".pb-c.h"):
                yield path, line, '"%s" is no path below src/' % name
            elif other is None:
                yield path, line, '"%s" is in no layer' % name
            elif other != layer and LAYERS[layer] is not None and other not in LAYERS[layer]:
                yield path, line, '%s includes "%s" of %s, which is not below it' % (layer, name, other)


def check_programs(tree):
    for path, text in tree.items():
        folder = path.split("/")[0]
        if folder not in PROGRAMS or not path.endswith((".c", ".h")):
            continue
        for line, quoted, name in includes_of(text):
            if quoted and not any("%s/%s" % (at, name) in tree for at in PROGRAMS[folder]):
                yield path, line, 'a program includes "%s": only its own files and <tf2/...>' % name
            elif quoted and "/" in name:
                yield path, line, 'a program includes "%s": files beside it have no folder' % name
            elif not quoted and ("src/" + name in tree or name.startswith("CL/")):
                yield path, line, "a program includes <%s>: only <tf2/...>" % name
            elif not quoted and name.startswith("tf2/") and "include/" + name not in tree:
                yield path, line, "there is no public header <%s>" % name


def check_headers(tree):
    """Public headers include only each other and the C library."""
    for path, text in tree.items():
        if not path.startswith("include/"):
            continue
        for line, quoted, name in includes_of(text):
            if quoted or ("/" in name and "include/" + name not in tree):
                yield path, line, "a public header includes %s" % name


def check_cycles(tree):
    """No header below src/ includes itself through others."""
    edges = {path[4:]: [name for _, quoted, name in includes_of(text) if quoted]
             for path, text in tree.items() if path.startswith("src/") and path.endswith(".h")}
    done = set()

    def visit(name, stack):
        if name in stack:
            yield "src/" + name, 1, "includes itself: " + " -> ".join(stack[stack.index(name):] + [name])
        elif name in edges and name not in done:
            for other in edges[name]:
                yield from visit(other, stack + [name])
            done.add(name)

    for name in sorted(edges):
        yield from visit(name, [])


def check_words(tree):
    for path, text in tree.items():
        if path.startswith("src/") and path.endswith((".c", ".h")):
            code = code_of(text)
            for pattern, exempt, reason in FORBIDDEN:
                if path == exempt:
                    continue
                for match in re.finditer(pattern, code):
                    yield path, line_of(code, match.start()), "%s: %s" % (match.group().strip(" ("), reason)
        for match in UNFINISHED.finditer(text):
            yield path, line_of(text, match.start()), "%s: finish it, or write an issue" % match.group()
        if path.endswith(SPDX_ENDINGS) and "SPDX-License-Identifier: Apache-2.0" not in text[:100]:
            yield path, 1, "the first line has no SPDX-License-Identifier"


CHECKS = [check_library, check_programs, check_headers, check_cycles, check_words]


def read_tree(root):
    tree = {}
    for folder in TEXT_FOLDERS:
        for at, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [f for f in folders if f != "__pycache__"]
            for name in names:
                path = os.path.join(at, name)
                if name.endswith(TEXT_ENDINGS):
                    with open(path, encoding="utf-8") as file:
                        tree[os.path.relpath(path, root).replace(os.sep, "/")] = file.read()
    return tree


def problems(tree):
    return sorted(found for check in CHECKS for found in check(tree))


def self_test():
    """Each of these small trees has exactly one thing wrong."""
    spdx = "/* SPDX-License-Identifier: Apache-2.0 */\n"
    good = {"src/common/base.h": '#include <tf2/common.h>\n/* printf( */ char *s = "getenv(x) stderr";\n',
            "src/common/environment.c": '#include "common/base.h"\nint x = getenv("A");\n',
            "src/transform/ir/graph.h": '#include "common/base.h"\n#include <tf2/graph.h>\n',
            "src/runtime/plan/plan.h": '#include "transform/ir/graph.h"\n',
            "src/runtime/device.h": '#include "runtime/plan/plan.h"\n',
            "src/api/import.c": '#include "transform/ir/graph.h"\n#include <tf2/model.h>\n',
            "include/tf2/common.h": "#include <stddef.h>\n",
            "tools/cli.h": "#include <tf2/common.h>\n",
            "bench/a.c": '#include "cli.h"\n'}
    bad = [
        ("src/common/a.c", '#include "transform/ir/graph.h"\n'),
        ("src/common/a.c", "#include <tf2/graph.h>\n"),
        ("src/common/a.c", '#include "tf2/common.h"\n'),
        ("src/common/a.c", '#include "base.h"\n'),
        ("src/transform/pass/a.c", '#include "runtime/device.h"\n'),
        ("src/transform/import/a.c", "#  include <tf2/session.h>\n"),
        ("src/runtime/cl/a.c", '#include "runtime/host/host.h"\n', "src/runtime/host/host.h", ""),
        ("src/runtime/session.c", '#include "transform/import/i.h"\n', "src/transform/import/i.h", ""),
        ("src/elsewhere/a.c", ""),
        ("src/common/a.h", '#include "common/b.h"\n', "src/common/b.h", '#include "common/a.h"\n'),
        ("src/common/a.c", "int x = getenv(0);\n"),
        ("src/common/a.c", "void f(void) { printf(0); }\n"),
        ("src/common/a.c", "void f(void) { fputs(0, stderr); }\n"),
        ("src/common/a.c", "void f(void) { abort(); }\n"),
        ("src/common/a.c", "void f(void) { setlocale(0, 0); }\n"),
        ("src/common/a.c", "void f(char *a) { strcat(a, a); }\n"),
        ("tests/a.c", "/* TO" "DO: this */\n"),
        ("include/tf2/graph.h", "#include <CL/cl.h>\n"),
        ("tools/a.c", '#include "common/base.h"\n'),
        ("tools/a.c", "#include <common/base.h>\n"),
        ("tools/a.c", "#include <CL/cl.h>\n"),
        ("examples/a.c", '#include "cli.h"\n'),
        ("examples/a.c", "#include <tf2/internal.h>\n"),
    ]
    failed = False
    good = {path: spdx + text for path, text in good.items()}
    for found in problems(good):
        print("layers.py --self-test: nothing is wrong here:", *found)
        failed = True
    for tree in bad:
        changed = dict(zip(tree[::2], [spdx + text for text in tree[1::2]]))
        found = problems({**good, **changed})
        if len(found) != 1:
            print("layers.py --self-test: %r should give one problem, gives %r" % (tree, found))
            failed = True
    if len(problems({**good, "src/common/a.c": "int x;\n"})) != 1:
        print("layers.py --self-test: the missing SPDX line is not found")
        failed = True
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    tree = read_tree(sys.argv[1])
    found = problems(tree)
    for path, line, what in found:
        print("%s:%d: %s" % (path, line, what))
    print("%d files, %d problems" % (len(tree), len(found)))
    return 1 if found or len(tree) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
