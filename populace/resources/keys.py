"""API keys of one's own tenant (needs a key with the role admin)."""

from __future__ import annotations

from populace.records import Key
from populace.resources.base import Deletable
from populace.transport import Transport


class Keys(Deletable[Key]):
    path = "/v1/keys"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Key)

    def create(self, name: str, *, role: str = "custodian") -> Key:
        """A new key; its `token` is in this answer and never again. role: custodian or admin."""
        return Key.from_json(self._transport.json("POST", self.path, json={"name": name, "role": role}))
