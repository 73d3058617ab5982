"""Single fields of a request, each by its own rule (rows b1)."""

import hashlib
import re

from msgspec import Struct

from proxy import capabilities, errors, settings
from proxy.schema import messages_request
from proxy.translate import ask, thinking, warn

MAX_USER_ID = 256
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s().-]{7,}")
_TIERS = {"auto": "auto", "default": "standard_only"}


# ------------------------------------------------------------------ field by field


def whole(value: float | None, at: str) -> int | None:
    """A count; ``4096.0`` is one too, as some languages write every number.

    Raises ``InvalidRequestError`` for a fraction.
    """
    if value is not None and value != int(value):
        raise errors.InvalidRequestError(
            f"{at}: must be an integer", param=at, code="invalid_type"
        )
    return None if value is None else int(value)


def limit(
    asked: ask.Limit | None, model: capabilities.Model, warnings: warn.Warnings
) -> int | None:
    """The limit that the client set, never above the model's own."""
    if asked is None or model.max_tokens is None or asked.tokens <= model.max_tokens:
        return asked.tokens if asked is not None else None
    warnings.add("max_tokens_clamped", param=asked.at)
    return model.max_tokens


def default_limit(
    config: settings.Settings, model: capabilities.Model, planned: thinking.Plan
) -> int:
    """For a request that sets none: room for the response beside a thinking budget."""
    budget = planned.config.budget_tokens if planned.config is not None else None
    wanted = config.default_max_tokens + (budget or 0)
    return wanted if model.max_tokens is None else min(wanted, model.max_tokens)


def stop_sequences(asked: list[str], warnings: warn.Warnings) -> list[str] | None:
    """``stop`` without blank sequences, each of which Anthropic would reject; ``None`` for none."""
    kept = [stop for stop in asked if stop.strip()]
    if len(kept) < len(asked):  # Anthropic: each must contain non-white space
        warnings.add("stop_whitespace_dropped", param="stop")
    return kept or None


class Sampling(Struct, frozen=True, kw_only=True):
    """The sampling fields to send; ``None`` for those that are not."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    @property
    def given(self) -> bool:
        """Whether any is sent, which takes the older API version (``SAMPLING_VERSION``)."""
        return (self.temperature, self.top_p, self.top_k) != (None, None, None)


def sampling(
    asked: ask.Ask,
    model: capabilities.Model,
    warnings: warn.Warnings,
    *,
    thinks: bool,
) -> Sampling:
    """Sampling for models that have it (4.6 and before), under API version 2023-06-01.

    Only one of ``temperature`` and ``top_p`` may be sent; OpenAI's defaults (both 1)
    ask for nothing. Thinking takes neither another temperature nor ``top_k``, and
    ``top_p`` only from 0.95 (extended thinking, limits).
    """
    temperature, top_p = asked.temperature, asked.top_p
    top_k = whole(asked.top_k, "top_k")
    if top_p == 1:
        top_p = None
    if temperature == 1 and (top_p is not None or not model.sampling):
        temperature = None
    has = model.sampling
    if temperature is not None and not (has and (temperature == 1 or not thinks)):
        warnings.add("temperature_ignored", param="temperature")
        temperature = None
    if top_p is not None and not (has and (top_p >= 0.95 or not thinks)):  # noqa: PLR2004 - documented limit
        warnings.add("top_p_ignored", param="top_p")
        top_p = None
    if top_k is not None and not (has and not thinks):
        warnings.add("top_k_ignored", param="top_k")
        top_k = None
    if temperature is not None and top_p is not None:
        warnings.add("top_p_ignored", param="top_p")
        top_p = None
    if temperature is not None and temperature > 1:
        warnings.add("temperature_clamped", param="temperature")
        temperature = 1.0
    return Sampling(temperature=temperature, top_p=top_p, top_k=top_k)


def metadata(user: str | None) -> messages_request.Metadata | None:
    """``metadata.user_id``: opaque, as the API forbids what identifies a person."""
    if not user:
        return None
    if len(user) > MAX_USER_ID or _PERSONAL.search(user):
        user = hashlib.sha256(user.encode()).hexdigest()
    return messages_request.Metadata(user_id=user)


def service_tier(asked: str | None, warnings: warn.Warnings) -> str | None:
    """OpenAI's tier in Anthropic's word; ``None``, with a warning, for one it does not have."""
    if asked is None:
        return None
    if asked not in _TIERS:
        warnings.add("service_tier_ignored", param="service_tier")
    return _TIERS.get(asked)
