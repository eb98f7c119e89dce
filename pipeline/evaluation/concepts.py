"""The attributes of people that Figs. 7, S8 and S9 edit: their names, and what they cause."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CONCEPTS", "EFFECTS", "asked", "concept_of", "in_order"]

CONCEPTS = {
    "Black_Hair": ("hair", "not black", "black"),
    "Eyeglasses": ("glasses", "no glasses", "glasses"),
    "Male": ("gender", "woman", "man"),
    "No_Beard": ("beard", "beard", "no beard"),
    "Young": ("age", "old", "young"),
    "Smiling": ("smile", "no smile", "smile"),
}
"""What the INV paper calls each attribute of CelebA, and its two values: false, true."""

EFFECTS = {"Male": ("No_Beard",)}
"""Attributes caused by another one: an edit of the cause may change them."""


def concept_of(attribute: str) -> str:
    """The paper's word for an attribute, or its name if the paper does not edit it."""
    words = CONCEPTS.get(attribute)
    return words[0] if words else attribute.replace("_", " ")


def asked(attribute: str, value: bool) -> str:
    """What an edit that sets an attribute to `value` asks for, in a word or two."""
    words = CONCEPTS.get(attribute)
    return words[1 + value] if words else f"{'' if value else 'not '}{attribute.replace('_', ' ')}"


def in_order(attributes: Iterable[str]) -> list[str]:
    """Attributes in the order of the paper's figures, then all others."""
    names = list(attributes)
    return [*(name for name in CONCEPTS if name in names),
            *(name for name in names if name not in CONCEPTS)]  # fmt: skip
