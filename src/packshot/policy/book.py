"""All policies a server knows: the shipped ones and the user's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from packshot.contracts import DEFAULT_POLICY
from packshot.errors import InvalidPolicyError, UnknownPolicyError
from packshot.policy.profile import Policy
from packshot.policy.profile_file import build_policy, read_profile
from packshot.policy.toml_file import TomlTable

SHIPPED: Final = Path(__file__).parent / "profiles"
"""The folder of the policies that come with packshot."""


@dataclass(frozen=True, kw_only=True)
class PolicyBook:
    """Policies by name."""

    policies: Mapping[str, Policy]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self.policies))

    def get(self, name: str = DEFAULT_POLICY) -> Policy:
        """The policy of that name; an empty name means the default one.

        Raises:
            UnknownPolicyError: There is none; the message lists those there are.
        """
        policy = self.policies.get(name or DEFAULT_POLICY)
        if policy is None:
            shown = name if len(name) <= 64 else name[:64] + "..."
            close = difflib.get_close_matches(shown, self.names, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UnknownPolicyError(
                f"There is no policy {shown!r}.{hint} Known policies: {', '.join(self.names)}."
            )
        return policy


def open_book(paths: Iterable[Path] = ()) -> PolicyBook:
    """Load the shipped policies and the user's own.

    Args:
        paths: TOML files, or folders of them.

    Returns:
        The book.

    Raises:
        InvalidPolicyError: A file cannot be used, two have one name, or ``extends`` names nothing
            or goes round in a circle.
    """
    roots: dict[str, TomlTable] = {}
    for path in (SHIPPED, *paths):
        for file in _files(path):
            root = read_profile(file)
            name = root.text_at("name")
            if name in roots:
                raise root.error(
                    "name", f"is {name!r}, which {roots[name].path} has; choose another name"
                )
            roots[name] = root
    built: dict[str, Policy] = {}
    for name in roots:
        _build(name, roots, built, ())
    return PolicyBook(policies=built)


def load_policy(name: str = DEFAULT_POLICY, folder: Path | None = None) -> Policy:
    """One policy by name; the files are read once for each folder and kept.

    Args:
        name: The policy; empty means the default one.
        folder: A folder, or one file, of the user's own policies; None for the shipped ones.

    Returns:
        The policy.

    Raises:
        UnknownPolicyError: There is none of that name.
        InvalidPolicyError: A file cannot be used.
    """
    return _kept_book(folder).get(name)


@lru_cache(maxsize=8)
def _kept_book(folder: Path | None) -> PolicyBook:
    return open_book(() if folder is None else (folder,))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob("*.toml"))
    if path.is_file():
        return [path]
    raise InvalidPolicyError(f"{path}: no such file or folder of policies; check the path.")


def _build(
    name: str, roots: Mapping[str, TomlTable], built: dict[str, Policy], below: tuple[str, ...]
) -> Policy:
    if name in built:
        return built[name]
    root = roots[name]
    base = None
    if "extends" in root.values:
        parent = root.text_at("extends")
        if parent not in roots:
            known = ", ".join(sorted(roots))
            raise root.error("extends", f"names {parent!r}, which is not known; known: {known}")
        if parent in (name, *below):
            circle = " -> ".join((*below, name, parent))
            raise root.error("extends", f"goes round in a circle: {circle}")
        base = _build(parent, roots, built, (*below, name))
    built[name] = build_policy(root, base)
    return built[name]
