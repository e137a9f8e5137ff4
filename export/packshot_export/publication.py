"""Publish, try as canary, promote, abort, roll back: on a live server, without losing a request.

The order holds at every point a publisher may die: what is on disk is a state the server can start
from, and no caller calls a version that is not served.

    candidate     the version under another name: golden answers, latency; no caller can meet it
    both served   version_policy [old, new]; the callers still call old
    callers       call new, or compute with it: the ensembles and Python models it is a part of
    new served    version_policy [new]; the server lets old answer what it has accepted
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packshot.serving.called_models import CANARY_SUFFIX
from packshot_export.configuration import (
    callers_of,
    make_canary,
    pin,
    served_versions,
    set_served_versions,
    variant_of,
)
from packshot_export.errors import ExportError, PublishError
from packshot_export.golden import Golden
from packshot_export.lock import model_lock
from packshot_export.manifest import check_files, read_manifest
from packshot_export.networks import ExportableNetwork, network_of_model
from packshot_export.probe import Latency, candidate, check_golden, compare_latency
from packshot_export.server import ModelServer
from packshot_export.state import PublishState

Report = Callable[[str], None]
"""Called with the name of each stage as it starts."""

_CALLER_WAIT_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Published:
    """What callers get now.

    Attributes:
        model: Whose versions.
        stable: The version that other models call.
        canary: The version tried beside it, if any.
        latency: Of the new version against the old, where it was measured.
    """

    model: str
    stable: int
    canary: int | None = None
    latency: Latency | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "model": self.model,
            "stable": self.stable,
            "canary": self.canary,
            "latency": self.latency.to_json() if self.latency else None,
        }


class Publisher:
    """Changes what a server serves of one model.

    Args:
        model: Folder of the model in the repository that the server reads.
        server: A live server in explicit model control.
        report: Told each stage as it starts.
    """

    def __init__(
        self, model: Path, server: ModelServer, *, report: Report = lambda _: None
    ) -> None:
        self._model = model
        self._server = server
        self._report = report
        self._network: ExportableNetwork = network_of_model(model.name)

    def publish(
        self,
        version: int,
        *,
        as_canary: bool = False,
        max_slowdown: float = 1.5,
        public_key: Path | None = None,
    ) -> Published:
        """Prove a version on the server, then serve it instead of the stable one or beside it.

        Raises:
            VerificationError: Its files are not those that were built.
            ParityError: It does not give its golden answers on this server.
            PublishError: It does not load, is too slow, or a canary is being tried already.
            BusyError: Another process publishes or builds this model.
        """
        with self._settled() as stable:
            self._report("verify files")
            folder = self._model / str(version)
            manifest = check_files(folder, public_key)
            if manifest["target"] not in ("openvino", "tensorrt"):
                raise PublishError(
                    f"{folder} was built for {manifest['target']}, which Triton does not serve"
                )
            if version == stable:
                raise PublishError(f"version {version} of {self._model.name} is the stable one")
            golden = Golden.read(folder)
            self._report("load candidate")
            with candidate(self._server, folder, manifest) as name:
                self._report("check golden answers")
                check_golden(self._server, name, version, golden, self._network)
                self._report("compare latency")
                latency = compare_latency(
                    self._server,
                    golden,
                    old=(self._model.name, stable),
                    new=(name, version),
                    max_slowdown=max_slowdown,
                )
            self._forget_bytecode(folder)
            state = PublishState.of(self._model)
            if as_canary:
                self._report("serve both")
                state.changed(pending=version)
                with self._undone_on_error(stable):
                    self._serve(stable, version)
                    check_golden(self._server, self._model.name, version, golden, self._network)
                    self._call_from_canaries(version)
                state.changed(canary=version)
                return Published(
                    model=self._model.name, stable=stable, canary=version, latency=latency
                )
            self._replace(stable, version, golden)
            return Published(model=self._model.name, stable=version, latency=latency)

    def promote(self) -> Published:
        """Make the canary the stable version.

        Raises:
            PublishError: There is no canary.
        """
        with self._locked() as (stable, canary):
            if canary is None:
                raise PublishError(f"{self._model.name} has no canary to promote")
            self._replace(stable, canary, Golden.read(self._model / str(canary)))
            return Published(model=self._model.name, stable=canary)

    def abort(self) -> Published:
        """End the canary; its callers get the stable version.

        Raises:
            PublishError: There is no canary.
        """
        with self._locked() as (stable, canary):
            if canary is None:
                raise PublishError(f"{self._model.name} has no canary to abort")
            self._report("restore")
            self._restore(stable)
            return Published(model=self._model.name, stable=stable)

    def rollback(self, version: int | None = None) -> Published:
        """Serve the version that was stable before, after it gave its golden answers again.

        Raises:
            PublishError: There is none, or it is gone.
        """
        with self._settled() as stable:
            target = version or PublishState.of(self._model).previous(stable)
            if target is None:
                raise PublishError(
                    f"no version of {self._model.name} was stable before {stable}; name one with"
                    " --to VERSION"
                )
            folder = self._model / str(target)
            self._report("verify files")
            manifest = check_files(folder)
            golden = Golden.read(folder)
            self._report("load candidate")
            with candidate(self._server, folder, manifest) as name:
                self._report("check golden answers")
                check_golden(self._server, name, target, golden, self._network)
            self._forget_bytecode(folder)
            self._replace(stable, target, golden)
            return Published(model=self._model.name, stable=target)

    @contextmanager
    def _locked(self) -> Iterator[tuple[int, int | None]]:
        """The lock, with what a dead publisher had left half-way put right."""
        with model_lock(self._model):
            state = PublishState.of(self._model)
            versions = served_versions(self._model, self._variant())
            stable = state.history[-1][0] if state.history else versions[0]
            if state.pending is not None:
                self._report(f"undo what a publisher that died left of version {state.pending}")
                self._restore(stable)
                state = PublishState.of(self._model)
            elif state.canary is None and versions != (stable,):
                # Edited by hand since: what the file says counts.
                stable = versions[-1]
            if not state.history:
                canary = state.canary
                state = state.settled(stable)
                if canary is not None:
                    state = state.changed(canary=canary)
            yield stable, state.canary

    @contextmanager
    def _settled(self) -> Iterator[int]:
        with self._locked() as (stable, canary):
            if canary is not None:
                raise PublishError(
                    f"version {canary} of {self._model.name} is being tried as canary: promote or"
                    " abort it first"
                )
            yield stable

    @contextmanager
    def _undone_on_error(self, stable: int) -> Iterator[None]:
        try:
            yield
        except ExportError as error:
            self._report("roll back")
            try:
                self._restore(stable)
            except ExportError as second:
                raise PublishError(
                    f"{error}\nand version {stable} could not be restored: {second}. Publish again:"
                    " it first puts this right"
                ) from error
            raise

    def _replace(self, old: int, new: int, golden: Golden) -> None:
        state = PublishState.of(self._model).changed(pending=new)
        with self._undone_on_error(old):
            self._report("serve both")
            self._serve(old, new)
            check_golden(self._server, self._model.name, new, golden, self._network)
            self._report("switch callers")
            self._call_from_callers(new)
            self._report("retire the old version")
            self._serve(new)
        state.settled(new)

    def _restore(self, stable: int) -> None:
        """Back to one stable version, from wherever a publisher stopped."""
        self._call_from_callers(stable)
        self._serve(stable)
        PublishState.of(self._model).settled(stable)

    def _serve(self, *versions: int) -> None:
        set_served_versions(self._model, self._variant(versions[-1]), tuple(sorted(versions)))
        self._server.load(self._model.name)
        self._server.wait_served(self._model.name, tuple(sorted(versions)))

    def _call_from_callers(self, version: int) -> None:
        for caller in self._callers(version):
            self._repin(caller, version)

    def _call_from_canaries(self, version: int) -> None:
        for caller in self._callers(version):
            if not caller.name.endswith(CANARY_SUFFIX) and self._server.serves(caller.name):
                self._repin(make_canary(caller), version, served=True)

    def _callers(self, version: int) -> list[Path]:
        return callers_of(self._model.parent, self._model.name, self._variant(version))

    def _repin(self, caller: Path, version: int, *, served: bool = False) -> None:
        variant = self._variant(version)
        # Publishers of other networks may be about to change the same caller.
        with model_lock(caller, wait_s=_CALLER_WAIT_S):
            pin(caller, self._model.name, version, variant)
            if not served and not self._server.serves(caller.name):
                return  # Left out of this server: it will read the file when it starts.
            # Also where the file was right: a publisher may have died before the load.
            self._server.load(caller.name)
            # What the old caller has accepted may still call the old version.
            self._server.wait_served(caller.name, served_versions(caller, variant), drained=True)

    def _variant(self, version: int | None = None) -> str | None:
        """The configuration that the server reads: that of the target of what it serves."""
        for candidate_version in (version, *served_versions(self._model, None)):
            if candidate_version is not None:
                folder = self._model / str(candidate_version)
                with suppress(ExportError):
                    return variant_of(str(read_manifest(folder)["target"]))
        return None

    @staticmethod
    def _forget_bytecode(folder: Path) -> None:
        # Bytecode is not in the manifest, and Python would run it unread.
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
