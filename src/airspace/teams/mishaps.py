"""A fault of ours that some team file brings to light: one error that names the file, and no traceback.

Whoever applies can go on without that file, and ``airspace watch`` outlives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

from airspace.model.errors import AirspaceError


class MishapError(AirspaceError):
    """Something that nobody foresaw; nothing was changed by what it interrupted."""


@contextmanager
def about(what: str) -> Iterator[None]:
    """Whatever goes wrong in here unforeseen is told as being about that file or folder.

    :raises MishapError: something did
    """
    try:
        yield
    except AirspaceError:
        raise
    except Exception as error:
        raise as_error(error, what) from error


def as_error(error: Exception, what: str) -> AirspaceError:
    """The error itself if a user may see it; else one that says where it happened. Its text may quote a secret."""
    if isinstance(error, AirspaceError):
        return error
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f" at {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return MishapError(
        f"{what}: a fault of Airspace itself: {type(error).__name__}{place}",
        fix="please report this message; until it is mended, leave out what was changed last",
    )
