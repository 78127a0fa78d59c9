"""Comic archives: CBZ with ComicInfo, and EPUB 3 in fixed layout. Same pages, same bytes."""

from __future__ import annotations

import hashlib
import io
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from inkcast.page.setting import SetComic

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODIFIED = "2000-01-01T00:00:00Z"  # EPUB wants a date; a true one would change the bytes


@dataclass(frozen=True)
class PageImage:
    """A finished page: PNG or JPEG bytes, its size in pixels, and its words for those who listen."""

    data: bytes
    width: int
    height: int
    transcript: str

    @property
    def suffix(self) -> str:
        return "jpg" if self.data[:2] == b"\xff\xd8" else "png"

    @property
    def media_type(self) -> str:
        return "image/jpeg" if self.suffix == "jpg" else "image/png"


def cbz(comic: SetComic, pages: Sequence[PageImage]) -> bytes:
    """Pages in order with a ComicInfo.xml (schema 2.0)."""
    files = [("ComicInfo.xml", _comic_info(comic, pages).encode())]
    files += [(f"page-{number:03d}.{page.suffix}", page.data) for number, page in enumerate(pages, start=1)]
    return _zip(files)


def epub(comic: SetComic, pages: Sequence[PageImage]) -> bytes:
    """An EPUB 3.2 with one pre-paginated spread item a page."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(page.data).digest() for page in pages)).hexdigest()
    identifier = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"
    files = [
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", _CONTAINER.encode()),
        ("OEBPS/content.opf", _package(comic, pages, identifier).encode()),
        ("OEBPS/nav.xhtml", _navigation(comic, pages).encode()),
    ]
    for number, page in enumerate(pages, start=1):
        files.append((f"OEBPS/page-{number:03d}.xhtml", _sheet(comic, page, number).encode()))
        files.append((f"OEBPS/page-{number:03d}.{page.suffix}", page.data))
    return _zip(files)


def _zip(files: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            packed = name.endswith((".xml", ".xhtml", ".opf"))
            entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def _comic_info(comic: SetComic, pages: Sequence[PageImage]) -> str:
    listed = "\n".join(
        f'    <Page Image="{index}" ImageWidth="{page.width}" ImageHeight="{page.height}" ImageSize="{len(page.data)}"'
        + (' Type="FrontCover"/>' if index == 0 else "/>")
        for index, page in enumerate(pages)
    )
    writer = f"  <Writer>{_xml(comic.author)}</Writer>\n" if comic.author else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<ComicInfo xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">\n'
        f"  <Title>{_xml(comic.title or 'Untitled')}</Title>\n{writer}"
        f"  <PageCount>{len(pages)}</PageCount>\n"
        f"  <LanguageISO>{_xml(comic.language)}</LanguageISO>\n"
        f"  <Manga>{'YesAndRightToLeft' if comic.right_to_left else 'No'}</Manga>\n"
        f"  <Pages>\n{listed}\n  </Pages>\n</ComicInfo>\n"
    )


_CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
  <rootfiles><rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""


def _package(comic: SetComic, pages: Sequence[PageImage], identifier: str) -> str:
    manifest, spine = [], []
    for number, page in enumerate(pages, start=1):
        cover = ' properties="cover-image"' if number == 1 else ""
        manifest.append(f'<item id="p{number}" href="page-{number:03d}.xhtml" media-type="application/xhtml+xml"/>')
        manifest.append(
            f'<item id="i{number}" href="page-{number:03d}.{page.suffix}" media-type="{page.media_type}"{cover}/>'
        )
        spine.append(f'<itemref idref="p{number}"/>')
    direction = "rtl" if comic.right_to_left else "ltr"
    creator = f"<dc:creator>{_xml(comic.author)}</dc:creator>\n    " if comic.author else ""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" prefix="rendition: http://www.idpf.org/vocab/rendition/#">
  <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
    <dc:identifier id="id">{identifier}</dc:identifier>
    <dc:title>{_xml(comic.title or "Untitled")}</dc:title>
    <dc:language>{_xml(comic.language)}</dc:language>
    {creator}<meta property="dcterms:modified">{_MODIFIED}</meta>
    <meta property="rendition:layout">pre-paginated</meta>
    <meta property="rendition:orientation">auto</meta>
    <meta property="rendition:spread">auto</meta>
    <meta property="schema:accessMode">visual</meta>
    <meta property="schema:accessModeSufficient">textual</meta>
    <meta property="schema:accessibilityFeature">alternativeText</meta>
    <meta property="schema:accessibilityHazard">none</meta>
    <meta property="schema:accessibilitySummary">Every page carries its words and picture descriptions as alternative text.</meta>
  </metadata>
  <manifest>
    <item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    {"".join(manifest)}
  </manifest>
  <spine page-progression-direction="{direction}">{"".join(spine)}</spine>
</package>
"""  # noqa: E501


def _navigation(comic: SetComic, pages: Sequence[PageImage]) -> str:
    entries = "".join(
        f'<li><a href="page-{number:03d}.xhtml">{_xml(comic.title or "Page") if number == 1 else number}</a></li>'
        for number in range(1, len(pages) + 1)
    )
    title = _xml(comic.title or "Untitled")
    return (
        _head(comic, title, "")
        + f'<body><nav epub:type="toc" id="toc"><h1>{title}</h1><ol>{entries}</ol></nav></body>\n</html>\n'
    )


def _sheet(comic: SetComic, page: PageImage, number: int) -> str:
    viewport = f'<meta name="viewport" content="width={page.width}, height={page.height}"/>'
    style = "<style>html, body { margin: 0; padding: 0 } img { display: block; width: 100%; height: 100% }</style>"
    image = f'<img src="page-{number:03d}.{page.suffix}" alt="{_xml(page.transcript)}"/>'
    return (
        _head(comic, f"{_xml(comic.title or 'Untitled')} – {number}", viewport + style)
        + f"<body>{image}</body>\n</html>\n"
    )


def _head(comic: SetComic, title: str, extra: str) -> str:
    language = _xml(comic.language)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'lang="{language}" xml:lang="{language}">\n<head><meta charset="utf-8"/><title>{title}</title>{extra}</head>\n'
    )


def _xml(text: str) -> str:
    """Escaped, without the characters XML cannot carry."""
    kept = "".join(
        char for char in text if char >= " " and not "\ud800" <= char <= "\udfff" and char not in "\ufffe\uffff"
    )
    return escape(kept, quote=True)
