"""Edits of one model's configuration: what a variant changes, in Triton's own words.

quality:config=tensorrt                   configs/tensorrt.pbtxt in place of config.pbtxt
quality:threads=2                         a parameter of the model
quality:instances=1                       processes
quality:max_queue_delay_microseconds=500
quality:-queue_policy                     taken out
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packshot_loadtest.errors import SettingsError

_FORM: Final = re.compile(r"(?P<model>[\w.-]+):(?:-(?P<gone>\w+)|(?P<key>\w+)=(?P<value>.+))")
CONFIG_KEY: Final = "config"
"""Names the configuration that the other edits change."""
_MOST_INSTANCES: Final = 64
"""Each is a process."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change of one model's configuration.

    Attributes:
        model: Which.
        key: What: ``instances``, a setting of its queue, a parameter that it has, or which
            configuration is taken.
        value: To what; ``None`` takes it out.
    """

    model: str
    key: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.model}:" + (f"-{self.key}" if self.value is None else self._setting)

    @property
    def _setting(self) -> str:
        return f"{self.key}={self.value}"

    @property
    def config_name(self) -> str | None:
        """The configuration that it takes, if that is what it says."""
        return self.value if self.key == CONFIG_KEY else None

    def apply(self, config: Any) -> None:
        """Change ``config``, a ``ModelConfig``: the one that was taken.

        Raises:
            SettingsError: The model has no such key, or the value is none for it.
        """
        if config.platform == "ensemble":
            steps = ", ".join(step.model_name for step in config.ensemble_scheduling.step)
            raise SettingsError(
                f"{self}: {self.model} is an ensemble, without processes or a queue of its own;"
                f" edit one of its steps: {steps}"
            )
        if self.value is None:
            self._take_out(config)
        elif self.key in _NUMBERS:
            number = _NUMBERS[self.key]
            number.put(config, self, _whole(self, number.lowest, number.highest))
        elif self.key in config.parameters:
            parameter = config.parameters[self.key]
            if parameter.string_value.isdecimal():
                _whole(self, 0, None)
            parameter.string_value = self.value
        else:
            raise self._unknown((*_NUMBERS, CONFIG_KEY, *sorted(config.parameters)))

    def _take_out(self, config: Any) -> None:
        if self.key in config.parameters:
            del config.parameters[self.key]
            return
        if self.key not in _REMOVABLE:
            raise self._unknown((*_REMOVABLE, *sorted(config.parameters)))
        holder, name = _REMOVABLE[self.key](config)
        if not holder.HasField(name):
            raise SettingsError(f"{self}: {self.model} has no {self.key} to take out")
        holder.ClearField(name)

    def _unknown(self, known: tuple[str, ...]) -> SettingsError:
        what = "taken out" if self.value is None else "set"
        return SettingsError(
            f"{self}: {self.model} has no {self.key!r} that can be {what}; there are"
            f" {', '.join(known)}"
        )


def parse_edits(text: str) -> tuple[Edit, ...]:
    """Edits with commas between them; none is none.

    Raises:
        SettingsError: One cannot be read, or a key comes twice.
    """
    edits: dict[tuple[str, str], Edit] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _FORM.fullmatch(part)
        if found is None:
            raise SettingsError(
                f"expected model:key=value or model:-key, such as quality:threads=2, got {part!r}"
            )
        edit = Edit(model=found["model"], key=found["key"] or found["gone"], value=found["value"])
        if (edit.model, edit.key) in edits:
            raise SettingsError(f"{edit}: {edit.model}:{edit.key} is edited twice")
        edits[edit.model, edit.key] = edit
    return tuple(edits.values())


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A field of ``ModelConfig`` that holds a number."""

    lowest: int
    highest: int
    put: Callable[[Any, Edit, int], None]


def _put_instances(config: Any, edit: Edit, number: int) -> None:
    if len(config.instance_group) > 1:
        raise SettingsError(
            f"{edit}: {edit.model} has {len(config.instance_group)} instance groups, and one"
            " number cannot say how many processes each gets"
        )
    group = config.instance_group[0] if config.instance_group else config.instance_group.add()
    group.count = number


def _put_delay(config: Any, edit: Edit, number: int) -> None:
    _batching(config, edit).max_queue_delay_microseconds = number


def _put_preferred_size(config: Any, edit: Edit, number: int) -> None:
    if number > config.max_batch_size:
        raise SettingsError(f"{edit}: a batch of {edit.model} has at most {config.max_batch_size}")
    _batching(config, edit).preferred_batch_size[:] = [number]


def _put_queue_size(config: Any, edit: Edit, number: int) -> None:
    _batching(config, edit).default_queue_policy.max_queue_size = number


def _put_timeout(config: Any, edit: Edit, number: int) -> None:
    _batching(config, edit).default_queue_policy.default_timeout_microseconds = number


def _batching(config: Any, edit: Edit) -> Any:
    if not config.HasField("dynamic_batching"):
        raise SettingsError(f"{edit}: {edit.model} has no dynamic_batching, so it has no queue")
    return config.dynamic_batching


def _whole(edit: Edit, lowest: int, highest: int | None) -> int:
    text = edit.value or ""
    if text.isdecimal() and lowest <= int(text) and (highest is None or int(text) <= highest):
        return int(text)
    wanted = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
    raise SettingsError(f"{edit}: expected a whole number, {wanted}, got {text!r}")


_NUMBERS: Final[Mapping[str, _Number]] = {
    "instances": _Number(lowest=1, highest=_MOST_INSTANCES, put=_put_instances),
    "max_queue_delay_microseconds": _Number(lowest=0, highest=10**9, put=_put_delay),
    "preferred_batch_size": _Number(lowest=1, highest=2**31 - 1, put=_put_preferred_size),
    "max_queue_size": _Number(lowest=0, highest=2**32 - 1, put=_put_queue_size),
    "default_timeout_microseconds": _Number(lowest=0, highest=10**9, put=_put_timeout),
}

_REMOVABLE: Final[Mapping[str, Callable[[Any], tuple[Any, str]]]] = {
    "queue_policy": lambda config: (config.dynamic_batching, "default_queue_policy"),
    "dynamic_batching": lambda config: (config, "dynamic_batching"),
}
