"""Kubernetes quantities: `250m`, `1.5`, `2Gi`, `1e3` (apimachinery's resource.Quantity)."""

import re
from decimal import Decimal

SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)\Z")


def parse_quantity(text: object) -> Decimal:
    """The exact value. Raises ValueError when `text` is not a quantity."""
    match = FORM.match(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a quantity, such as 250m or 2Gi")
    number, exponent, suffix = match.groups()
    if exponent:
        return Decimal(number).scaleb(int(exponent))
    return Decimal(number) * SUFFIXES[suffix or ""]
