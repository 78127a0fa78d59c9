"""The pages: layout, live lettering, and every format to take away."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from inkcast.app.context import Studio, User
from inkcast.app.jobs import Export, Jobs
from inkcast.app.jobs_tasks import Format
from inkcast.app.project import Project
from inkcast.app.web.job_view import job_html
from inkcast.app.web.lettering import pages_html
from inkcast.app.web.opened import Opened
from inkcast.app.web.told import told
from inkcast.page.options import SIZES
from inkcast.page.patterns import LAYOUTS

FORMATS: tuple[tuple[Format, str], ...] = (
    ("pdf", "PDF"),
    ("cbz", "CBZ"),
    ("epub", "EPUB"),
    ("html", "Web page"),
    ("png", "PNG pages"),
    ("webp", "WebP pages"),
    ("svg", "SVG pages"),
    ("comic", "Whole folder"),
)


@dataclass(frozen=True)
class PagesView:
    """`outputs` take what `show` makes of a project."""

    outputs: tuple[Any, ...]
    show: Callable[[User, Project], list[Any]]


def pages_view(studio: Studio, opened: Opened) -> PagesView:
    with gr.Row():
        layout = gr.Dropdown(list(LAYOUTS), label="Layout", elem_id="pages-layout", min_width=140)
        size = gr.Dropdown(
            [("as the layout has it", ""), *((name, name) for name in SIZES)], label="Page", min_width=140
        )
        captions = gr.Radio(["auto", "below", "inside"], label="Captions", min_width=200)
        language = gr.Textbox(
            value="", label="Language", placeholder="de", info="Of the script's translations; empty: its own"
        )
    pages = gr.HTML(elem_id="pages-view")
    gr.Markdown("### Take it away")
    with gr.Row(elem_classes="ink-actions", elem_id="pages-exports"):
        buttons = [(form, gr.Button(label, elem_id=f"export-{form}", min_width=110)) for form, label in FORMATS]
    state = gr.HTML(elem_id="pages-state")
    file = gr.File(label="Your file", interactive=False, visible=False, elem_id="pages-file")
    outputs = (layout, size, captions, language, pages)

    def lettered(user: User, project: Project) -> str:
        return pages_html(project.script, studio.projects(user).drawn(project.id), project)

    def show(user: User, project: Project) -> list[Any]:
        chosen = project.options
        return [chosen.layout, chosen.size, chosen.captions, chosen.language, lettered(user, project)]

    def setting(name: str) -> Any:
        @told
        def keep(request: gr.Request, project: str, value: Any) -> str:
            user = studio.user(request)
            return lettered(user, studio.projects(user).set_page(project, **{name: value or ""}))

        return keep

    def exporter(form: Format) -> Any:
        @told
        def export(request: gr.Request, project: str) -> Iterator[list[Any]]:
            jobs = studio.jobs(studio.user(request))
            job = jobs.submit(Export(form), project)
            for changed in jobs.events(job.id):
                yield [job_html(changed), gr.update(visible=False)]
            done = jobs.get(job.id)
            if done.state == "done":
                title = studio.projects(studio.user(request)).get(project).title
                with tempfile.TemporaryDirectory(prefix="inkcast-export-") as folder:  # Gradio copies what it is given
                    made = collected(jobs, job.id, title, Path(folder))
                    yield [job_html(done), gr.update(value=str(made), visible=True)]

        return export

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    for name, control in (("layout", layout), ("size", size), ("captions", captions)):
        control.input(setting(name), [opened.project, control], [pages], **quiet)
    language.blur(setting("language"), [opened.project, language], [pages], **quiet)
    for form, button in buttons:
        button.click(exporter(form), [opened.project], [state, file], concurrency_limit=4, **quiet)
    return PagesView(outputs, show)


def collected(jobs: Jobs, job_id: str, title: str, folder: Path) -> Path:
    """What a job made, as one file in `folder`, named after the comic; several files become a ZIP."""
    found = jobs.files(job_id)
    stem = "".join(sign if sign.isalnum() or sign in " -" else "-" for sign in title).strip()[:60] or "comic"
    if len(found) == 1:
        path = folder / f"{stem}{Path(found[0].name).suffix}"
        path.write_bytes(jobs.file(job_id, found[0].name))
        return path
    path = folder / f"{stem}.zip"
    path.write_bytes(zipped([(one.name, jobs.file(job_id, one.name)) for one in found]))
    return path


def zipped(files: Sequence[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()
