"""Serves a completion to a client: whole, or as a stream that the server closes."""

import logging
import time
from collections.abc import Callable, Generator, Iterator
from http import HTTPStatus
from typing import Any

import falcon

from proxy import errors, front, redaction
from proxy.completion import CLIENT_GONE, Completion
from proxy.services import Services

KEEP_ALIVE = 15.0
"""Seconds of silence after which the client of a stream gets a sign of life."""

logger = logging.getLogger(__name__)


def respond(
    services: Services,
    api: front.Front[Any, Any],
    req: falcon.Request,
    resp: falcon.Response,
) -> None:
    """Serve a completion, whole or as a stream that the server closes."""
    completion = Completion(services, api, req.context.request_id)
    try:
        completion.start(req)
        resp.set_headers(completion.headers())
        if completion.record.stream:
            resp.content_type = "text/event-stream; charset=utf-8"
            resp.set_header("cache-control", "no-cache")
            resp.set_header("x-accel-buffering", "no")
            resp.stream = Stream(completion, req.env.get("proxy.write"))
            return  # the server closes the stream, which closes the completion
        resp.data = completion.whole()
    except errors.ClientGoneError:
        resp.status = f"{CLIENT_GONE} Client Closed Request"
        completion.note_client_gone()
    except errors.ProxyError as ex:
        ex.headers.update(completion.headers())
        # The frames that it has passed hold the body, and may refer back to it: without
        # them all of that is freed now, and not when the collector next comes.
        ex.__context__ = None
        ex.__traceback__ = None
        if not completion.passed_on(ex):
            completion.note_error(ex)
            completion.close()
            raise ex from None
        resp.status = f"{CLIENT_GONE} Client Closed Request"
        completion.note_client_gone()
    except BaseException:
        completion.record.status = HTTPStatus.INTERNAL_SERVER_ERROR
        completion.close()
        raise
    completion.close()


class Stream:
    """The body of a streamed response: an iterable that the server closes.

    Ends in one of three ways: with the end of the API's own; with the error and then
    ``StreamCut``, because a client takes a proper end for a complete response; or closed
    by the server, whose client left.

    ``write`` sends bytes to the client at once, from within an iteration. While
    Anthropic is silent it carries a sign of life every `KEEP_ALIVE` seconds, so that
    nobody on the way takes a model that thinks for a connection that is dead.
    """

    def __init__(
        self, completion: Completion, write: Callable[[bytes], None] | None = None
    ) -> None:
        self._completion = completion
        self._response = completion.streamed()
        self._write = write
        self._written_at = time.monotonic()
        self._pieces = self._encoded()
        completion.begin_stream()
        if write is not None:
            completion.on_silence(KEEP_ALIVE, self._keep_alive)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def flow(self) -> int | None:
        """From now on an empty part means that nothing has come.

        Returns the descriptor on which something will; ``None`` where iterating waits.
        """
        return self._completion.flow()

    def is_silent(self) -> bool:
        """Whether the client needs a sign of life."""
        return time.monotonic() - self._written_at > KEEP_ALIVE

    def keep_alive(self) -> bytes:
        """A sign of life."""
        self._written_at = time.monotonic()
        return self._response.keep_alive()

    def _keep_alive(self) -> None:
        """Show the client that its response is still being made."""
        if self._write is not None:
            try:
                self._write(self.keep_alive())
            except errors.ClientGoneError:
                self._completion.cancel()

    def _encoded(self) -> Generator[bytes, None, None]:
        response, completion = self._response, self._completion
        feed = response.feed
        try:
            for batch in completion.batches():
                if not batch:
                    yield b""
                elif piece := feed(batch):
                    completion.note_first_byte()
                    yield piece
                    self._written_at = time.monotonic()
                elif self.is_silent():  # the events say nothing to this client
                    yield self.keep_alive()
        except errors.ProxyError as ex:
            yield self._broken(ex)
            raise errors.StreamCut from None
        except errors.ClientGoneError:
            raise errors.StreamCut from None
        except Exception as ex:
            logger.exception("unexpected %s in a stream", type(ex).__name__)
            yield self._broken(errors.internal())
            raise errors.StreamCut from None
        finally:
            completion.note_outcome(response)

    def _broken(self, error: errors.ProxyError) -> bytes:
        """What ends the stream. Inside one, a stall is one way to be incomplete."""
        if error.code == "upstream_timeout":
            error.code = "stream_incomplete"
        redaction.redact(error)
        error.upstream_request_id = self._completion.record.upstream_request_id
        self._completion.note_stream_error(error)
        return self._response.broken(error)

    def close(self) -> None:
        """Called by the server when the response is over, whichever way it ended."""
        if not self._response.complete and self._completion.record.code is None:
            self._completion.note_client_gone()
        self._pieces.close()  # or it and this object would keep each other alive
        self._completion.close()
