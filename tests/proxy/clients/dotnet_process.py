"""OpenAI's library for .NET on its real runtime, asked through this process.

It runs in the environment `pythonnet`; its argument is the directory of the assemblies. Each line of standard input is a question, an object with `url`, `body`,
`stream` and `timeout` (seconds, for the whole answer); or `"cancel"`, which cancels the
one that was asked last. Each line of standard output is one of

- `{"text": …}`: a piece of a stream, as it came
- `{"answer": …}`: what the library made of the answer, with the bytes of a plain one
- `{"raised": …}`: the exception's type, its words, and the status of an answer
"""

import json
import os
import sys
import threading
from pathlib import Path

import pythonnet
from clr_loader import get_coreclr

# Names the program that the runtime was published with; none of its code is run.
assemblies = Path(sys.argv[1])
pythonnet.set_runtime(
    get_coreclr(entry_dll=assemblies / "azmcp.dll", dotnet_root=assemblies)
)

import clr  # noqa: E402

for name in ("OpenAI", "System.ClientModel", "System.Memory.Data"):
    clr.AddReference(name)

import System  # noqa: E402
from OpenAI import OpenAIClient, OpenAIClientOptions  # noqa: E402
from OpenAI.Chat import ChatCompletionOptions, ChatMessage  # noqa: E402
from System.ClientModel import ApiKeyCredential, ClientResultException  # noqa: E402
from System.ClientModel.Primitives import ModelReaderWriter  # noqa: E402
from System.Collections.Generic import List  # noqa: E402
from System.Threading import CancellationTokenSource  # noqa: E402

FINISH_REASONS = {
    "Stop": "stop",
    "Length": "length",
    "ToolCalls": "tool_calls",
    "ContentFilter": "content_filter",
    "FunctionCall": "function_call",
}


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read(kind, value):
    """A model of the library's, read from JSON by the library."""
    return ModelReaderWriter.Read[kind](System.BinaryData.FromString(json.dumps(value)))


def answer(question, cancelled):
    options = OpenAIClientOptions()
    options.Endpoint = System.Uri(f"{question['url']}/v1")
    options.NetworkTimeout = System.TimeSpan.FromSeconds(question["timeout"])
    body = question["body"]
    client = OpenAIClient(ApiKeyCredential("unused"), options)
    chat = client.GetChatClient(body["model"])
    messages = List[ChatMessage]()
    for message in body["messages"]:
        messages.Add(read(ChatMessage, message))
    asked = (messages, read(ChatCompletionOptions, body), cancelled)
    return streamed(chat, *asked) if question["stream"] else plain(chat, *asked)


def plain(chat, *asked):
    result = chat.CompleteChatAsync(*asked).GetAwaiter().GetResult()
    got = result.Value
    return {
        "text": "".join(part.Text for part in got.Content),
        "refusal": got.Refusal or "",
        "calls": [
            called(call.Id, call.FunctionName, call.FunctionArguments.ToString())
            for call in got.ToolCalls
        ],
        "finish_reason": FINISH_REASONS[str(got.FinishReason)],
        "model": got.Model,
        "usage": used(got.Usage),
        "bytes": result.GetRawResponse().Content.ToString(),
    }


def streamed(chat, *asked):
    seen = {"text": "", "refusal": "", "calls": [], "finish_reason": None, "usage": {}}
    updates = chat.CompleteChatStreamingAsync(*asked).GetAsyncEnumerator(asked[-1])
    while updates.MoveNextAsync().AsTask().GetAwaiter().GetResult():
        update = updates.Current
        seen["model"] = update.Model
        seen["refusal"] += update.RefusalUpdate or ""
        if update.Usage is not None:
            seen["usage"] = used(update.Usage)
        if update.FinishReason is not None:
            seen["finish_reason"] = FINISH_REASONS[str(update.FinishReason)]
        for part in update.ContentUpdate:
            seen["text"] += part.Text
            if part.Text:
                say(text=part.Text)
        for call in update.ToolCallUpdates:
            if call.Index == len(seen["calls"]):
                seen["calls"].append(called(call.ToolCallId, call.FunctionName, ""))
            arguments = call.FunctionArgumentsUpdate
            if arguments is not None:
                function = seen["calls"][call.Index]["function"]
                function["arguments"] += arguments.ToString()
    return seen


def called(id_, name, arguments):
    return {
        "id": id_,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def used(usage):
    return {
        "prompt_tokens": usage.InputTokenCount,
        "completion_tokens": usage.OutputTokenCount,
        "total_tokens": usage.TotalTokenCount,
    }


def run(question, cancelled):
    try:
        say(answer=answer(question, cancelled))
    except System.Exception as error:
        status = error.Status if isinstance(error, ClientResultException) else None
        kind = error.GetType().FullName
        say(raised={"type": kind, "words": error.Message, "status": status})


def end(unexpected):
    """End the process, so that nobody waits for an answer in vain."""
    sys.excepthook(*unexpected[:3])
    os._exit(1)


threading.excepthook = end
source = None
for line in sys.stdin:
    command = json.loads(line)
    if command == "cancel":
        source.Cancel()
    else:
        source = CancellationTokenSource()
        threading.Thread(target=run, args=(command, source.Token)).start()
