// What a client's conversation became upstream. RECEIVED_URL is a ledger (received.py).

import assert from "node:assert/strict";

const THINKING = ["thinking", "redacted_thinking"];

// The bodies of all messages since the last time, each of them accepted as it was, its
// thinking included unless that does not matter.
export async function sent({ thinkingMayBeDropped = false } = {}) {
  const all = await (await fetch(process.env.RECEIVED_URL)).json();
  const received = all.filter(({ path }) => path === "/v1/messages");
  for (const { rule, dropped } of received) {
    assert.equal(rule, null);
    if (!thinkingMayBeDropped) assert.deepEqual(dropped, []);
  }
  return received.map(({ body }) => body);
}

// For each call upstream: how many blocks of thinking each turn in it has. [[], [1]] is
// a loop of two steps whose second has what was thought in the first.
export async function thoughts() {
  return (await sent()).map(({ messages }) =>
    messages
      .filter(({ role }) => role === "assistant")
      .map(
        ({ content }) =>
          [content].flat().filter(({ type }) => THINKING.includes(type)).length,
      ),
  );
}
