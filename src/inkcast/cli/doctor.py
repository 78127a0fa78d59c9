"""inkcast doctor: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from inkcast.cli.common import AsJson

app = typer.Typer()
MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "missing": "[red]missing[/]"}


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Show what this machine has and what is missing."""
    from inkcast.cli.checks import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("", "what", "found", show_edge=False, box=None)
        for finding in findings:
            table.add_row(MARKS[finding.state], finding.name, finding.found)
        Console().print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
