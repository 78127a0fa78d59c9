"""The one tree of errors.

    InkcastError
     ├─ UsageError          a command line that contradicts itself (exit code 2)
     ├─ PictureError        a picture that cannot be read, or must not be
     ├─ StoryError          a story or script that cannot become panels
     │   └─ SettingError    a panel's setting that no engine knows, or that names nobody
     ├─ CastError           a character or the cast library
     ├─ BaseModelError      a base (SDXL folder, hub id, single file) that cannot be loaded or lacks a part
     ├─ WeightsError        weights whose names, shapes or digest do not fit
     ├─ EngineError         a method asked for something it cannot do
     ├─ PageError           layout, lettering, fonts, templates
     │   └─ LetterError     a letter that no font has
     ├─ OutputError         a folder or file that cannot be written
     ├─ TrainingError       recipes, data and checkpoints of training
     ├─ StudioError         accounts, projects and jobs of the studio
     │   ├─ NotFoundError   nothing of that id, or nothing that the asking user may see
     │   ├─ ConflictError   what the state of a thing does not allow, such as resuming a finished comic
     │   ├─ AccountError    names, passwords, sign-in and tokens
     │   └─ LimitError      too much at once: jobs, requests, room
     ├─ DatabaseError       a database that does not do what it is asked; a CastError and an AccountError too, since it
     │                      keeps what those are about
     ├─ PolicyError         words or a picture that the studio's policy refuses
     └─ MissingExtraError   an optional dependency that is not installed

Each message is one line: what is wrong, which value, what to do.
"""

from __future__ import annotations


class InkcastError(Exception):
    """Root of every error a person can cause or meet; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(InkcastError):
    exit_code = 2


class PictureError(InkcastError):
    pass


class StoryError(InkcastError):
    pass


class SettingError(StoryError):
    """A panel's setting that no engine knows, or that names nobody; `where` leads to it in the script."""

    def __init__(self, message: str, where: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.where = where


class CastError(InkcastError):
    pass


class BaseModelError(InkcastError):
    pass


class WeightsError(InkcastError):
    pass


class EngineError(InkcastError):
    pass


class PageError(InkcastError):
    pass


class LetterError(PageError):
    """A letter that no font has; `where` leads to its text in the script: ("panels", 0, "caption")."""

    def __init__(self, message: str, where: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.where = where


class OutputError(InkcastError):
    pass


class TrainingError(InkcastError):
    pass


class StudioError(InkcastError):
    pass


class NotFoundError(StudioError):
    pass


class ConflictError(StudioError):
    pass


class AccountError(StudioError):
    pass


class LimitError(StudioError):
    pass


class DatabaseError(CastError, AccountError):
    pass


class PolicyError(InkcastError):
    pass


class MissingExtraError(InkcastError):
    """An optional dependency is absent; names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package '{package}': run  pip install 'inkcast[{extra}]'")
