"""Elements of HTML and SVG, written by the standard library, which escapes whatever stands in them. A leaf.

No text becomes markup: a child is an element, or text and nothing else.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

__all__ = ["Element", "element", "put", "write"]


def element(tag: str, *children: Element | str, **attributes: str | float) -> Element:
    """Make an element. `class_` is the attribute `class`, `aria_label` is `aria-label`."""
    made = Element(tag, {_name(name): _value(value) for name, value in attributes.items()})
    return put(made, *children)


def put(parent: Element, *children: Element | str) -> Element:
    """Add elements and text at the end of an element, and give it back."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child
    return parent


def write(root: Element) -> str:
    """Write an element as HTML."""
    return tostring(root, encoding="unicode", method="html")


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-") if name != "viewBox" else name


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
