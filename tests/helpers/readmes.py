"""The Markdown pages of the project, taken apart: their code blocks, links, headings and words in code type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "models/README.md", "models/KEYS.md", "l1trigger/README.md",
         "firmware/README.md")
WITH_EXAMPLES = ("README.md", "CONTRIBUTING.md", "models/README.md", "l1trigger/README.md", "firmware/README.md")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page, line: where it stands.
        language, info: the first word behind its fence, and the others, which readers of the page do not see.
        text: the code.
    """

    page: str
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def tokens(page: str) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8")))


def inline(page: str) -> Iterator[Token]:
    """Everything in running text, in order."""
    for token in tokens(page):
        yield from token.children or ()


def blocks(*languages: str) -> list[Block]:
    """Blocks of code in some languages, on all pages that have examples."""
    found = []
    for page in WITH_EXAMPLES:
        for token in tokens(page):
            if token.type == "fence":
                language, _, info = token.info.partition(" ")
                assert token.map is not None
                found.append(Block(page, token.map[0] + 1, language, info, token.content))
    return [b for b in found if b.language in languages]


def links(page: str) -> list[str]:
    """Targets of links and pictures."""
    found = [t.attrs.get("href") or t.attrs.get("src") for t in inline(page) if t.type in ("link_open", "image")]
    return [str(target) for target in found if target]


def words(page: str) -> list[str]:
    """What is set in code type in running text."""
    return [t.content for t in inline(page) if t.type == "code_inline"]


def anchors(page: str) -> set[str]:
    """What links can point at: the headings, as GitHub writes them."""
    found = set()
    for before, token in pairwise(tokens(page)):
        if before.type == "heading_open":
            text = "".join(t.content for t in token.children or ())
            found.add(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    return found
