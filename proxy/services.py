"""What a completion needs from the rest of the process."""

import time
from collections.abc import Callable

from msgspec import Struct

from proxy import (
    admission,
    cache_lifetime,
    held_calls,
    history,
    metrics,
    patience,
    prices,
    settings,
    store,
    traces,
    upstream,
)
from proxy.capabilities import Live
from proxy.translate import ask, assemble, warn
from proxy.watchdog import Watchdog


class Services(Struct, frozen=True, kw_only=True):
    """Made once, when the process starts; shared by all completions."""

    config: settings.Settings
    upstream: upstream.Upstream
    slots: admission.Admission
    held: held_calls.HeldCalls
    bodies: admission.Bodies
    watchdog: Watchdog
    metrics: metrics.Metrics
    history: history.History
    traces: traces.Traces
    prices: prices.Table
    lifetimes: cache_lifetime.Lifetimes
    troubles: patience.Troubles
    store: store.Store
    live: Callable[[], Live]
    """What Anthropic's models list says, without waiting for it."""
    now: Callable[[], float] = time.time
    """Seconds since the epoch, for ``created``."""

    def translation(
        self, asked: ask.Ask, warnings: warn.Warnings
    ) -> assemble.Translation:
        """What goes upstream for an ask, by the present models list and cache history.

        Raises ``InvalidRequestError`` for what cannot be honoured.
        """
        lifetime = self.lifetimes.of(asked)
        return assemble.to_messages_request(
            asked,
            self.config,
            self.live(),
            warnings,
            prefix_ttl="1h" if lifetime == "1h" else None,
        )
