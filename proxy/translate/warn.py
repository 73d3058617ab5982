"""What was dropped or changed in translation, by stable codes.

The codes reach the client in ``x-proxy-warnings`` and the completion's log line.
"""

from proxy import errors


class Warnings:
    """Collects codes, each once, in order. ``strict`` turns some of them into 400s."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._codes: dict[str, None] = {}

    def add(self, code: str) -> None:
        self._codes[code] = None

    def add_or_refuse(self, code: str, *, param: str) -> None:
        """For what changes the response: a warning, or a 400 under ``STRICT_PARAMS``.

        Raises ``InvalidRequestError`` naming ``param``.
        """
        if self._strict:
            raise errors.InvalidRequestError(
                f"{param}: must be something this model supports, since STRICT_PARAMS is "
                f"set ({code})",
                param=param,
                code="unsupported_value",
            )
        self.add(code)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self._codes)
