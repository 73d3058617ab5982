"""Calls of the client's tools while they arrive (rows r8)."""

from collections.abc import Mapping

from msgspec import Raw

from proxy import errors
from proxy.schema import messages_response, responses_events
from proxy.schema import responses_response as out
from proxy.translate import arguments, json_text
from proxy.translate.responses import context, custom_input, items_out
from proxy.translate.responses.making import Events, Numbers, OwnItem
from proxy.written import Written


class Call(OwnItem):
    """A call of a client's tool.

    As it is, one whose item has no deltas: the client gets it whole, at its end.
    """

    def __init__(
        self,
        start: messages_response.ToolUseBlock,
        client: context.Client,
        properties: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.client = client
        self._use_id = start.id
        self._start = start.input
        self._properties = properties
        self._written = Written()  # what the model wrote, as it came

    def begun(self, item_id: str) -> out.Item:
        """The call's item, with empty arguments."""
        return items_out.call(item_id, self._use_id, self.client, "", "in_progress")

    def item(self, item_id: str) -> out.Item:
        """The call's item; if the turn was cut in it, ``incomplete`` and as far as it came."""
        status: out.ItemStatus = "incomplete" if self.cut else "completed"
        text = self._as_far_as_it_came() if self.cut else self._text()
        return items_out.call(item_id, self._use_id, self.client, text, status)

    def take(self, delta: messages_response.Delta, numbers: Numbers) -> Events:
        """The events of a piece of the JSON that the model writes."""
        if isinstance(delta, messages_response.InputJSONDelta):
            self._written.add(delta.partial_json)
            yield from self._passed_on(delta.partial_json, numbers)

    def _passed_on(self, piece: str, numbers: Numbers) -> Events:  # noqa: ARG002
        """The events for a piece of the JSON text."""
        yield from ()

    def _text(self) -> str:
        """What the item says, once the call is whole."""
        return arguments.whole(Raw(self._given().encode()), self._properties)

    def _given(self) -> str:
        """The JSON text: of the deltas, or of the start where none came."""
        for text in (str(self._written), bytes(self._start).decode()):
            if text.strip():
                return text
        return "{}"

    def _as_far_as_it_came(self) -> str:
        """What the item says of a call that was cut: never repaired, never compacted."""
        given = self._given()
        if given == "{}":
            return ""  # with which it began: nothing that may run
        return json_text.renamed_keys(given, self._properties)


class FunctionCall(Call):
    """A function's call: its arguments are passed on as they come."""

    def __init__(
        self,
        start: messages_response.ToolUseBlock,
        client: context.Client,
        properties: Mapping[str, str],
    ) -> None:
        super().__init__(start, client, properties)
        self._arriving = arguments.Arriving(start.input, properties)
        self._rest: str | None = None

    def direct(self, delta: messages_response.Delta) -> str | None:
        """See ``Block``: pieces that are passed on as they are, once some have been."""
        if (
            type(delta) is messages_response.InputJSONDelta
            and delta.partial_json
            and self._arriving.sent
        ):
            self._written.add(delta.partial_json)
            return delta.partial_json
        return None

    def _passed_on(self, piece: str, numbers: Numbers) -> Events:
        if now := self._arriving.take(piece):
            yield self._delta(now, numbers)

    def close(self, numbers: Numbers) -> Events:
        """The arguments that were held back, if any, and ``….arguments.done``."""
        if self.cut:
            return
        if rest := self._arriving.rest():
            self._rest = rest
            yield self._delta(rest, numbers)
        yield responses_events.ArgumentsDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            sequence_number=numbers.take(),
            arguments=self._text(),
        )

    def _text(self) -> str:
        return str(self._written) if self._rest is None else self._rest

    def _delta(self, piece: str, numbers: Numbers) -> responses_events.Event:
        return responses_events.ArgumentsDelta(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            sequence_number=numbers.take(),
            delta=piece,
        )


class CustomCall(Call):
    """A custom tool's call: the text of its input is passed on as it is decoded.

    Anthropic does not check JSON that it streams eagerly. Half of a function's arguments
    do not parse, so that nobody runs them; half of a text, a command say, would run.
    """

    def __init__(
        self, start: messages_response.ToolUseBlock, client: context.Client
    ) -> None:
        super().__init__(start, client, {})
        self._decoder = custom_input.InputDecoder()
        self._decoded = Written()

    def _passed_on(self, piece: str, numbers: Numbers) -> Events:
        if decoded := self._decoder.feed(piece):
            self._decoded.add(decoded)
            yield self._delta(decoded, numbers)

    def close(self, numbers: Numbers) -> Events:
        """The input that has not been passed on, and ``….custom_tool_call_input.done``.

        Raises ``UpstreamError`` (``stream_incomplete``) if the input is cut though the turn
        is not (row r7.custom).
        """
        if self.cut:
            return
        if not self._written:
            yield from self._passed_on(self._given(), numbers)
        if not self._decoder.found:
            yield self._delta(self._given(), numbers)
        elif not self._decoder.ended:
            raise errors.UpstreamError(
                "Claude's call of a custom tool ended in the middle of its input",
                status=502,
                type="server_error",
                code="stream_incomplete",
            )
        yield responses_events.CustomInputDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            sequence_number=numbers.take(),
            input=self._text(),
        )

    def _text(self) -> str:
        return str(self._decoded) if self._decoder.found else self._given()

    def _as_far_as_it_came(self) -> str:
        if not self._written:
            self._decoded.add(self._decoder.feed(self._given()))
        return self._text() if self._decoder.found else super()._as_far_as_it_came()

    def _delta(self, piece: str, numbers: Numbers) -> responses_events.Event:
        return responses_events.CustomInputDelta(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            sequence_number=numbers.take(),
            delta=piece,
        )


def call(start: messages_response.ToolUseBlock, asked: context.Context) -> Call:
    """The call of a tool, as the client knows it; a stranger's is a function's."""
    client = asked.tools.get(start.name) or context.Client(name=start.name)
    properties = asked.properties.get(start.name, {})
    match client.kind:
        case "function":
            return FunctionCall(start, client, properties)
        case "custom":
            return CustomCall(start, client)
        case "local_shell" | "shell" | "apply_patch" | "tool_search":
            return Call(start, client, properties)
