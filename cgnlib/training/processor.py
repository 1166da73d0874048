"""Name and instruction sets of the processor, torch-free."""

import platform
from pathlib import Path


def has_instructions(name: str) -> bool:
    """Whether the processor has an instruction set, by the name that Linux gives it ("amx_bf16"); False elsewhere."""
    return name in processor()[1]


def processor() -> tuple[str, set[str]]:
    """Its name, and the names of its instruction sets (none where the system does not tell)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), set()
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    return facts.get("model name", platform.machine()), set(facts.get("flags", facts.get("Features", "")).split())
