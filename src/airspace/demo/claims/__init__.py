"""Everything that the demo promises, in the order in which it is told."""

from airspace.demo.claim import Claim
from airspace.demo.claims import access, consent, pipelines

ALL: tuple[Claim, ...] = (*pipelines.CLAIMS, *consent.CLAIMS, *access.CLAIMS)

__all__ = ["ALL"]
