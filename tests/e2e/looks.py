"""What a page looks like to those who see little or nothing: contrast of its texts, names of its controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONTROLS = "button checkbox combobox image link listbox menuitem option radio searchbox slider spinbutton tab textbox"

FAINT = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
TABBED = Path(__file__).with_name("tab.js").read_text(encoding="utf-8")


def faint(page: Any) -> list[str]:
    """Texts with too little contrast: the ratio, how they begin, and their colours."""
    found: list[str] = page.evaluate(FAINT)
    return found


def nameless(page: Any) -> list[str]:
    """Controls and pictures that a screen reader would have no name for, by Chromium's own accessibility tree."""
    client = page.context.new_cdp_session(page)
    tree = client.send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in tree:
        role = node.get("role", {}).get("value", "")
        if node.get("ignored") or role not in CONTROLS.split() or node.get("name", {}).get("value", "").strip():
            continue
        html = client.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
        if html["localName"] != "svg":  # a button's icon: the button has the name
            found.append(f"{role}: <{html['localName']} {html.get('attributes', [])}>"[:200])
    client.detach()
    return found


def wider_than(page: Any, width: int) -> int:
    """By how many pixels the page is wider than `width`."""
    return max(int(page.evaluate("document.documentElement.scrollWidth")) - width, 0)


def missed_by_tab(page: Any) -> tuple[list[str], list[str]]:
    """Controls in sight that Tab never reaches, and those on which nothing shows that they have the focus."""
    count = page.evaluate(TABBED)
    for _ in range(2 * count + 20):
        page.keyboard.press("Tab")
    unreached, unseen = page.evaluate("window.tabbed.report()")
    return unreached, unseen
