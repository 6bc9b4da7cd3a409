"""A page in one file: its style, its scripts and its data are in it, and nothing else can be.

The page's policy (Content-Security-Policy) allows the very style and script that are in it, by
their SHA-256, and pictures that are in it as well. A browser then asks no network for anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

from mnist_cli.files.outputs import MARK


def asset(name: str) -> str:
    """Return a text that lies beside this module."""
    return files("mnist_cli.page").joinpath(name).read_text("utf-8")


def page(
    title: str,
    body: str,
    styles: Sequence[str],
    scripts: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> str:
    """Return a page.

    Parameters
    ----------
    title : str
    body : str
        HTML.
    styles, scripts : sequence of str
        The names of style sheets and scripts beside this module, in their order.
    data : dict, optional
        What JSON can hold, for the scripts: the text of the element ``model``.
    """
    style = "\n" + "\n".join(asset(name) for name in styles)
    script = '\n"use strict";\n' + "\n".join(asset(name) for name in scripts)
    policy = {
        "default-src": "'none'",
        "style-src": source_of(style),
        "script-src": source_of(script) if scripts else "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    blocks = ""
    if scripts:
        # In JSON, < can be written so that no text ends the element.
        text = json.dumps(data).replace("<", "\\u003c")
        blocks = f'<script id="model" type="application/json">{text}</script>\n'
        blocks += f"<script>{script}</script>"
    return Template(asset("page.html")).substitute(
        policy=html.escape("; ".join(" ".join(rule) for rule in policy.items()), quote=False),
        generator=MARK,
        title=html.escape(title),
        style=style,
        body=body,
        script=blocks,
    )


def source_of(text: str) -> str:
    """Return how a policy names a script or a style sheet: by its SHA-256."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
