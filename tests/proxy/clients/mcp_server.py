"""A server of the Model Context Protocol on standard input and output, with one tool."""

import json
import sys

TOOL = {
    "name": "look_up",
    "description": "Looks a ticket up.",
    "inputSchema": {
        "type": "object",
        "properties": {"key": {"type": "string"}},
        "required": ["key"],
    },
}


def result_of(method, given):
    """What a method gives; None for one that is not here."""
    match method:
        case "initialize":
            return {
                "protocolVersion": given["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "tickets", "version": "1"},
            }
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            text = f"{given['arguments']['key']}: add() subtracts"
            return {"content": [{"type": "text", "text": text}]}
        case "ping":
            return {}
    return None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = result_of(asked["method"], asked.get("params"))
    answer = {"jsonrpc": "2.0", "id": asked["id"]}
    answer |= (
        {"error": {"code": -32601, "message": "Method not found"}}
        if result is None
        else {"result": result}
    )
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
