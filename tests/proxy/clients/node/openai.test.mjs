// OpenAI's own client for Node in front of the proxy, whose address is PROXY_URL.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const client = new OpenAI({
  baseURL: `${process.env.PROXY_URL}/v1`,
  apiKey: "unused",
  maxRetries: 0,
});
const chat = client.chat.completions;
const City = z.object({ name: z.string(), people: z.number().int() });
const user = (content) => ({ role: "user", content });
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Says how the weather is.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
    function: ({ city }) => `sunny in ${city}`,
    parse: JSON.parse,
  },
};
const clock = {
  type: "function",
  function: {
    name: "read_clock",
    parameters: { type: "object", properties: {} },
    function: () => "noon",
    parse: JSON.parse,
  },
};

for (const model of ["claude-sonnet-4-6", "claude-opus-5-5"]) {
  describe(`openai, ${model}`, () => {
    test("a text", async () => {
      const answer = await chat.create({ model, messages: [user("Hello")] });
      assert.match(answer.choices[0].message.content, /stand-in, not Claude/);
      assert.equal(answer.choices[0].finish_reason, "stop");
      assert.equal(answer.model, model);
      assert.ok(answer.usage.total_tokens > 0);
    });

    test("a streamed text with its usage", async () => {
      const stream = await chat.create({
        model,
        messages: [user("Hello")],
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = "";
      let last;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        last = chunk;
      }
      assert.match(text, /stand-in, not Claude/);
      assert.deepEqual(last.choices, []);
      assert.ok(last.usage.completion_tokens > 0);
    });

    for (const stream of [false, true]) {
      test(`a loop of parallel tools, ${stream ? "streamed" : "plain"}`, async () => {
        const runner = chat.runTools({
          model,
          stream,
          messages: [user("The weather in Paris and the clock")],
          tools: [weather, clock],
        });
        assert.match(await runner.finalContent(), /sunny in Paris; noon/);
        const results = runner.messages.filter(({ role }) => role === "tool");
        assert.deepEqual(
          results.map(({ content }) => content),
          ["sunny in Paris", "noon"],
        );
      });
    }

    test("a forced tool", async () => {
      const answer = await chat.create({
        model,
        messages: [user("The weather in Paris")],
        tools: [clock, weather].map(({ type, function: f }) => ({
          type,
          function: { name: f.name, parameters: f.parameters },
        })),
        tool_choice: { type: "function", function: { name: "get_weather" } },
      });
      const [call] = answer.choices[0].message.tool_calls;
      assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
    });

    test("a parsed answer", async () => {
      const answer = await chat.parse({
        model,
        messages: [user("Which city is Paris?")],
        response_format: zodResponseFormat(City, "city"),
      });
      assert.ok(City.parse(answer.choices[0].message.parsed));
    });

    test("a parsed answer, streamed", async () => {
      const stream = chat.stream({
        model,
        messages: [user("Which city is Paris?")],
        response_format: zodResponseFormat(City, "city"),
      });
      const answer = await stream.finalChatCompletion();
      assert.ok(City.parse(answer.choices[0].message.parsed));
    });

    test("parsed arguments", async () => {
      const answer = await chat.parse({
        model,
        messages: [user("The weather in Paris")],
        tools: [
          zodFunction({
            name: "get_weather",
            parameters: z.object({ city: z.string() }),
          }),
        ],
      });
      const [call] = answer.choices[0].message.tool_calls;
      assert.deepEqual(call.function.parsed_arguments, { city: "Paris" });
    });

    test("reasoning", async () => {
      const answer = await chat.create({
        model,
        messages: [user("Hello")],
        reasoning_effort: "high",
      });
      assert.match(answer.choices[0].message.reasoning_content, /stand-in's thinking/);
    });
  });
}

describe("openai", () => {
  test("the models", async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("claude-opus-5-5"));
    assert.equal((await client.models.retrieve(ids[0])).id, ids[0]);
  });

  test("an error by its class, its code and its parameter", async () => {
    const request = { model: "claude-opus-5-5", messages: [user("Hello")] };
    await assert.rejects(chat.create({ ...request, n: 2 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "n");
      return true;
    });
    await assert.rejects(chat.create({ ...request, model: "none" }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
      return true;
    });
  });

  test("an abort ends a stream", async () => {
    const stream = await chat.create({
      model: "claude-opus-5-5",
      messages: [user("Hello")],
      stream: true,
    });
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      stream.controller.abort();
    }
    assert.ok(stream.controller.signal.aborted);
  });
});
