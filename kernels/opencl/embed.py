#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a C file with the text of each kernel source as a string constant tf2__kernel_<name>."""
import os
import re
import sys


def strip(text):
    """Without comments and blank lines: what the OpenCL compiler need not read at every start."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"


def main(output, inputs):
    lines = ['#include "runtime/cl/kernels.h"', ""]
    for path in inputs:
        name = re.sub(r"\W", "_", os.path.splitext(os.path.basename(path))[0])
        with open(path, encoding="utf-8") as file:
            text = strip(file.read())
        lines.append(f"const char tf2__kernel_{name}[] =")
        for line in text.split("\n")[:-1]:
            escaped = line.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'    "{escaped}\\n"')
        lines[-1] += ";"
        lines.append("")
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
