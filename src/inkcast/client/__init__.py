"""A client of a studio's HTTP API.

from inkcast.client import Studio

with Studio("http://127.0.0.1:7860") as studio:
    ann = studio.add_character("Ann Lee", "ann.png", pronouns="she", consent="drawn by me")
    job = studio.wait(studio.draw(title="A walk", story="Ann Lee walks in the park.", cast=[ann.name]))
    studio.export(job.project, "pdf", "out")
"""

from inkcast.client.problem import ProblemError
from inkcast.client.results import Candidate, Character, File, Job, Panel, Parsed, Project, ProjectEntry, Reference
from inkcast.client.studio import Studio

__all__ = [
    "Candidate",
    "Character",
    "File",
    "Job",
    "Panel",
    "Parsed",
    "ProblemError",
    "Project",
    "ProjectEntry",
    "Reference",
    "Studio",
]
