"""Reads of artifacts and of the right to a blob, limited to the actor's org."""

from sqlalchemy import Select, select

from exclave.domain.artifacts.models import Blob, OCIArtifact
from exclave.kit.context import Actor


def visible_to(actor: Actor) -> Select[OCIArtifact]:
    return select(OCIArtifact).where(OCIArtifact.org_id == actor.org_id, OCIArtifact.deleted_at == 0)


def of_owner(actor: Actor, owner_id: str) -> Select[OCIArtifact]:
    return visible_to(actor).where(OCIArtifact.owner_id == owner_id)


def blobs(actor: Actor, digests: list[str]) -> Select[Blob]:
    return select(Blob).where(Blob.org_id == actor.org_id, Blob.digest.in_(digests), Blob.deleted_at == 0)
