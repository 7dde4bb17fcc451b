"""What components tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ComponentAdded:
    """An app has another component: every install of the app needs its place for it."""

    component_id: str
    app_id: str


@dataclass(frozen=True)
class ComponentConfigured:
    """A component has another config: it wants a build."""

    component_id: str
    connection_id: str


@dataclass(frozen=True)
class ComponentMayDelete:
    """Somebody wants to delete the component: a subscriber raises when an install still runs it."""

    component_id: str
    app_id: str
