"""The keys of students, from the environment or the system's keyring. A key is never printed or stored.

The keyring's service is ``pytest-upskill``, and its user name the variable that would hold the key::

    keyring set pytest-upskill ANTHROPIC_API_KEY
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr

SERVICE = "pytest-upskill"


def find(variable: str) -> SecretStr | None:
    """The key that ``variable`` names, None if neither place has one. No traceback or ``repr`` shows it."""
    from pydantic import SecretStr

    text = os.environ.get(variable, "").strip() or _from_keyring(variable)
    return SecretStr(text) if text else None


def how_to_give(variable: str) -> str:
    """What to do if there is no key."""
    return f"export it and run again, or keep it in the system's keyring: keyring set {SERVICE} {variable}"


def _from_keyring(variable: str) -> str:
    """Empty without the package, an unlocked keyring, or an entry in it."""
    if importlib.util.find_spec("keyring") is None:
        return ""
    import keyring
    import keyring.errors

    try:
        return (keyring.get_password(SERVICE, variable) or "").strip()
    except (keyring.errors.KeyringError, OSError, RuntimeError):  # none here, or locked
        return ""
