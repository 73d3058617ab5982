"""Text that arrives in pieces, and is needed whole in the end."""

_PIECES = 1000
"""Pieces that wait to be joined: each costs fifty bytes beside its own."""


class Written:
    """What a model has written so far; ``str`` is all of it."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def __bool__(self) -> bool:
        """Whether anything came, be it empty."""
        return bool(self._pieces)

    def __str__(self) -> str:
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """Take the next piece."""
        self._pieces.append(piece)
        if len(self._pieces) > _PIECES:
            self._pieces = ["".join(self._pieces)]
