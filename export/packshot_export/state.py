"""What was published when: a small file beside the model's folder, for rollback and recovery."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from packshot_export.errors import VersionError
from packshot_export.version import write_atomically


@dataclass(frozen=True, kw_only=True)
class PublishState:
    """State of one model.

    Attributes:
        history: Versions that were stable, oldest first, each with the time it became so.
        canary: The version that is tried beside the stable one.
        pending: Version that a publisher is putting in place of the stable one; left when it dies.
    """

    history: tuple[tuple[int, str], ...] = ()
    canary: int | None = None
    pending: int | None = None
    path: Path = field(default=Path(), repr=False)

    @classmethod
    def of(cls, model: Path) -> PublishState:
        """Read it; a model that was never published has an empty one.

        Raises:
            VersionError: The file is damaged.
        """
        path = model.parent / f".{model.name}.publish.json"
        try:
            content = json.loads(path.read_text())
            history = tuple((int(item["version"]), str(item["at"])) for item in content["history"])
            return cls(
                history=history, canary=content["canary"], pending=content["pending"], path=path
            )
        except FileNotFoundError:
            return cls(path=path)
        except (ValueError, KeyError, TypeError) as error:
            raise VersionError(
                f"{path} is damaged ({error!r}). Remove it: only the history is lost, and"
                " config.pbtxt says what is served"
            ) from error

    def changed(self, *, canary: int | None = None, pending: int | None = None) -> PublishState:
        """Write another state of the work at hand."""
        return replace(self, canary=canary, pending=pending)._written()

    def settled(self, stable: int) -> PublishState:
        """Write that a version is the stable one, with nothing at hand."""
        history = self.history
        if not history or history[-1][0] != stable:
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            history = (*history, (stable, now))
        return replace(self, history=history, canary=None, pending=None)._written()

    def previous(self, stable: int) -> int | None:
        """The version that was stable before ``stable``."""
        earlier = [version for version, _ in self.history if version != stable]
        return earlier[-1] if earlier else None

    def _written(self) -> PublishState:
        content = {
            "history": [{"version": version, "at": at} for version, at in self.history],
            "canary": self.canary,
            "pending": self.pending,
        }
        write_atomically(self.path, (json.dumps(content, indent=2) + "\n").encode())
        return self
