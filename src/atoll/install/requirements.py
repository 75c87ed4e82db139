"""What the hub's image installs: the part of requirements.lock that Atoll needs at run time, with the same hashes."""

import re
from collections.abc import Iterator

ROOT = "atoll (pyproject.toml)"
_PIN = re.compile(r"[A-Za-z0-9]")


def runtime_requirements(lock: str) -> str:
    """The pins of `lock` that are there for the sake of Atoll itself, not of its development.

    `lock` is what `uv pip compile --generate-hashes` writes: each pin with the lines `# via …` below it that say who
    wants it; Atoll's own dependencies say `atoll (pyproject.toml)`, those of a group `atoll (pyproject.toml:dev)`.
    """
    pins = {_name(block[0]): block for block in _blocks(lock)}
    wanted_by = {name: set(_via(block)) for name, block in pins.items()}
    chosen = {name for name, by in wanted_by.items() if ROOT in by}
    while more := {name for name, by in wanted_by.items() if by & chosen} - chosen:
        chosen |= more
    lines = (line for name in sorted(chosen) for line in pins[name] if not line.lstrip().startswith("#"))
    return "\n".join(lines) + "\n"


def _blocks(lock: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lock.splitlines():
        if _PIN.match(line):
            if block:
                yield block
            block = [line]
        elif block:
            block.append(line)
    if block:
        yield block


def _name(line: str) -> str:
    return line.partition("==")[0].partition("[")[0].strip().lower()


def _via(block: list[str]) -> Iterator[str]:
    for line in block:
        text = line.strip()
        if text.startswith("#"):
            text = text.removeprefix("#").strip().removeprefix("via").strip()
            if text:
                yield text
