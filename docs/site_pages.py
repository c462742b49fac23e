"""What the site is made of: documents where they stand in the repository, and the pictures that they show.

MkDocs takes a single folder of documents, which may not be the one with its own settings; hence this hook.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ALONGSIDE = ("docs/*.svg", "docs/*.jpg", "docs/*.webp", "docs/site.css", "logicapp/request.schema.json")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)]*)?\)")


def _pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in _pages(part)]


def on_files(files: Files, config: Any) -> Files:
    """The theme's own files, and in place of the folder's those that the navigation names and the pictures."""
    names = _pages(config.nav) + [path.relative_to(ROOT).as_posix() for glob in ALONGSIDE for path in sorted(ROOT.glob(glob))]
    ours = [File(name, str(ROOT), config.site_dir, config.use_directory_urls) for name in names]
    folder = Path(config.docs_dir)
    return Files([*(file for file in files if file.src_dir is None or Path(file.src_dir) != folder), *ours])


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Links to folders lead to their README; links to code, which the site doesn't have, become plain text."""
    here = PurePosixPath(page.file.src_uri).parent
    up = "../" * len(here.parts)

    def there(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target:
            return match[0]
        path = normpath(str(here / target))
        if files.get_file_from_path(path):
            return match[0]
        if files.get_file_from_path(f"{path}/README.md"):
            return f"[{text}]({up}{path}/README.md{anchor})"
        if not (ROOT / path).exists():
            return match[0]  # a dead link: MkDocs says so
        return text if "`" in text or text == path else f"{text} (`{path}`)"

    return LINK.sub(there, markdown)
