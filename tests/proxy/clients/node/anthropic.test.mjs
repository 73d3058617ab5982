// Anthropic's own client for Node in front of the proxy.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import { sent, thoughts } from "./upstream.mjs";

const client = new Anthropic({
  baseURL: process.env.PROXY_URL,
  apiKey: "unused",
  maxRetries: 0,
});
const user = (content) => ({ role: "user", content });
const tools = [
  {
    name: "get_weather",
    description: "Says how the weather is.",
    input_schema: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
  },
];
const MODES = {
  "claude-sonnet-4-6": { type: "adaptive" },
  "claude-opus-5-5": { type: "adaptive", display: "summarized" },
  "claude-haiku-4-5": { type: "enabled", budget_tokens: 1024 },
};

const create = (request) => client.messages.create(request);
const streamed = (request) => client.messages.stream(request).finalMessage();
const said = ({ content }) => content.map(({ text }) => text ?? "").join("");

beforeEach(() => sent());

for (const [model, thinking] of Object.entries(MODES)) {
  for (const [how, ask] of Object.entries({ create, streamed })) {
    describe(`anthropic, ${how}, ${model}`, () => {
      const request = { model, max_tokens: 4000 };

      test("a text", async () => {
        const message = await ask({ ...request, messages: [user("Hello")] });
        assert.match(said(message), /stand-in, not Claude/);
        assert.equal(message.stop_reason, "end_turn");
        assert.ok(message.usage.output_tokens > 0);
        assert.equal((await sent()).length, 1);
      });

      test("a loop with thinking", async () => {
        const messages = [user("The weather in Paris")];
        const looped = { ...request, thinking, tools, messages };
        const called = await ask(looped);
        assert.equal(called.stop_reason, "tool_use");
        const use = called.content.at(-1);
        assert.deepEqual(use.input, { city: "Paris" });
        assert.match(called.content[0].thinking, /stand-in's thinking/);
        messages.push(
          { role: "assistant", content: called.content },
          user([{ type: "tool_result", tool_use_id: use.id, content: "sunny" }]),
        );
        assert.match(said(await ask(looped)), /The tools answered: sunny/);
        assert.deepEqual(await thoughts(), [[], [1]]);
      });
    });
  }
}

describe("anthropic", () => {
  const request = {
    model: "claude-opus-5-5",
    max_tokens: 100,
    messages: [user("Hello")],
  };

  test("tokens are counted", async () => {
    const { model, messages } = request;
    const counted = await client.messages.countTokens({ model, messages });
    assert.ok(counted.input_tokens > 0);
  });

  test("the models", async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("claude-opus-5-5"));
    assert.equal((await client.models.retrieve(ids[0])).id, ids[0]);
  });

  test("an error by its class and its type", async () => {
    await assert.rejects(create({ ...request, model: "claude-none" }), (error) => {
      assert.ok(error instanceof Anthropic.NotFoundError);
      assert.equal(error.error.error.type, "not_found_error");
      return true;
    });
  });
});
