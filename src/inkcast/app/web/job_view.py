"""A job in words: what it does, how far it is, how long it will take."""

from __future__ import annotations

from html import escape

from inkcast.app.jobs import Job

STAGES = {
    "": "Starting",
    "load": "Loading the model",
    "cast": "Looking at the cast",
    "panels": "Drawing",
    "pages": "Lettering",
    "learn": "Learning the face",
}
KINDS = {"draw": "The comic", "redraw": "The panel", "learn": "The face", "export": "The file"}


def job_html(job: Job | None) -> str:
    """The job's state as HTML, read out by screen readers when it changes; empty where there is none."""
    if job is None:
        return ""
    what = KINDS.get(job.kind, job.kind)
    match job.state:
        case "failed":
            return (
                f'<div class="ink-job ink-failed" role="alert"><strong>{what} could not be made.</strong>'
                f"<p>{escape(job.error)}</p></div>"
            )
        case "done":
            notes = "".join(f"<li>{escape(note)}</li>" for note in job.notes)
            return f'<div class="ink-job" role="status">{what} is ready.<ul class="ink-warnings">{notes}</ul></div>'
        case "cancelled":
            kept = "" if job.kind == "learn" else "; what was drawn before is kept"
            return f'<div class="ink-job" role="status">Cancelled{kept}.</div>'
        case "queued":
            before = f": {job.position} before it" if job.position else ""
            if job.error:
                return (
                    f'<div class="ink-job ink-failed" role="alert"><strong>{what} was interrupted.</strong>'
                    f"<p>{escape(job.error)}</p><p>It is tried again by itself; what is finished is kept.</p></div>"
                )
            return f'<div class="ink-job" role="status">Waiting for its turn{before}.{bar("Waiting", 0)}</div>'
    if job.silent:
        return (
            f'<div class="ink-job ink-failed" role="alert"><strong>{what} waits for a worker.</strong>'
            f"<p>{escape(job.error)}</p></div>"
        )
    words = "Paused" if job.state == "paused" else doing(job)
    return f'<div class="ink-job" role="status">{escape(words)}{bar(words, job.fraction)}</div>'


def doing(job: Job) -> str:
    """ "Drawing panel 3 of 6, step 2 of 25; about 2 minutes left"."""
    words = STAGES.get(job.stage, job.stage)
    if job.stage == "panels" and job.panel:
        words += f" panel {job.panel}, {job.panels_done} of {job.panels} done"
    if job.steps:
        words += f"; step {job.step} of {job.steps}"
    return f"{words}; {left(job.eta)}" if job.eta is not None else words


def left(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(round(seconds), 1)} seconds left"
    return f"about {round(seconds / 60)} minutes left" if seconds < 5400 else f"about {seconds / 3600:.1f} hours left"


def bar(title: str, fraction: float) -> str:
    share = round(100 * fraction)
    return (
        f'<div class="ink-progress" role="progressbar" aria-label="{escape(title, quote=True)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{share}"><span style="width:{share}%"></span></div>'
    )
