"""Reads of artifacts and of the right to a blob, limited to the actor's org."""

from sqlalchemy import Select, bindparam, select

from exclave.domain.artifacts.models import Blob, OCIArtifact
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[OCIArtifact]:
    return select(OCIArtifact).where(OCIArtifact.org_id == actor.org_id, OCIArtifact.deleted_at == 0)


OF_OWNER: Prepared[OCIArtifact] = Prepared(
    select(OCIArtifact).where(OCIArtifact.owner_id == bindparam("owner"), in_org(OCIArtifact), OCIArtifact.deleted_at == 0)
)


def blobs(actor: Actor, digests: list[str]) -> Select[Blob]:
    return select(Blob).where(Blob.org_id == actor.org_id, Blob.digest.in_(digests), Blob.deleted_at == 0)
