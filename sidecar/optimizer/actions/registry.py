"""The actions by name. A registry is a mapping that is handed on: plugins add to a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sidecar.optimizer.actions.collect import Collect
from sidecar.optimizer.actions.compact_l3 import CompactL3
from sidecar.optimizer.actions.freeze import Freeze
from sidecar.optimizer.actions.grow_tier import GrowTier
from sidecar.optimizer.actions.limit_in_flight import LimitInFlight
from sidecar.optimizer.actions.pace_background import PaceBackground
from sidecar.optimizer.actions.pace_l3_writes import PaceL3Writes
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.actions.release_memory import ReleaseMemory
from sidecar.optimizer.actions.set_compression import SetCompression
from sidecar.optimizer.actions.set_gc_thresholds import SetGcThresholds
from sidecar.optimizer.actions.set_keepalive import SetKeepalive
from sidecar.optimizer.actions.set_l3_admission import SetL3Admission
from sidecar.optimizer.actions.set_promote_after import SetPromoteAfter
from sidecar.optimizer.actions.shrink_tier import ShrinkTier
from sidecar.optimizer.actions.stretch_ttl import StretchTtl
from sidecar.optimizer.actions.switch_policy import SwitchPolicy
from sidecar.optimizer.actions.warm import Warm

_ALL: tuple[Action, ...] = (
    ShrinkTier(),
    ReleaseMemory(),
    SetCompression(),
    PaceBackground(),
    SetL3Admission(),
    PaceL3Writes(),
    CompactL3(),
    LimitInFlight(),
    SetKeepalive(),
    GrowTier(),
    SwitchPolicy(),
    SetPromoteAfter(),
    Warm(),
    StretchTtl(),
    Collect(),
    SetGcThresholds(),
    Freeze(),
)

ACTIONS: Mapping[str, Action] = MappingProxyType({action.name: action for action in _ALL})
"""The actions that come with the sidecar."""
