#!/usr/bin/python3
"""Calls the program of this machine that has this script's name, and answers as it would on Windows: paths are of the drive Z,
which is this machine's root folder, and rustc is for Windows. The first argument is the name of the answer (unix_program.c)."""

import json
import os
import re
import subprocess
import sys


def of_unix(text):
    return re.sub(r"Z:[\\/][^\s=;]*", lambda path: path[0][2:].replace("\\", "/"), text)


def of_windows(value):
    if isinstance(value, dict):
        return {key: of_windows(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [of_windows(inner) for inner in value]
    if not isinstance(value, str):
        return value
    value = value.replace("file:///", "file:///Z:/")
    return "Z:" + value.replace("/", "\\") if value.startswith("/") else value


def line_of_windows(line):
    line = line.replace("host: x86_64-unknown-linux-gnu", "host: x86_64-pc-windows-gnu")
    return re.sub(r"(^|\()/(\S*)", lambda path: path[1] + "Z:\\" + path[2].replace("/", "\\"), line)


def each(change, text):
    """Changes each path of a list, which ends in NUL."""
    return "\0".join(map(change, text.split("\0")))


def output_of_windows(text):
    if text.startswith("{"):
        return "".join(json.dumps(of_windows(json.loads(line))) + "\n" for line in text.splitlines())
    if "\0" in text:
        return each(of_windows, text)
    return "".join(map(line_of_windows, text.splitlines(keepends=True)))


answer, *arguments = map(of_unix, sys.argv[1:])
environment = {key: value for key, value in os.environ.items() if key not in ("CARGO", "RUSTC")}
environment["PATH"] = environment["UNIX_PATH"]
program, text = os.path.basename(sys.argv[0]), ""
if os.path.exists(f"{answer}.in"):
    with open(f"{answer}.in", encoding="utf-8", newline="") as file:
        text = each(of_unix, file.read())
    os.remove(f"{answer}.in")
ran = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, env=environment)
for name, content in (("out", output_of_windows(ran.stdout)), ("err", ran.stderr), ("new", str(ran.returncode))):
    with open(f"{answer}.{name}", "w", encoding="utf-8", newline="") as file:
        file.write(content)
os.rename(f"{answer}.new", f"{answer}.status")
