// OpenAI's own client for Node and its Responses API in front of the proxy.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { sent, thoughts } from "./upstream.mjs";

const client = new OpenAI({
  baseURL: `${process.env.PROXY_URL}/v1`,
  apiKey: "unused",
  maxRetries: 0,
});
const City = z.object({ name: z.string(), people: z.number().int() });
const user = (content) => ({ role: "user", content });
const weather = {
  type: "function",
  name: "get_weather",
  description: "Says how the weather is.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const clock = {
  type: "function",
  name: "read_clock",
  parameters: { type: "object", properties: {} },
  strict: false,
};
const tools = {
  get_weather: ({ city }) => `sunny in ${city}`,
  read_clock: () => "noon",
};

const outputs = ({ output }) =>
  output
    .filter(({ type }) => type === "function_call")
    .map(({ call_id, name, arguments: given }) => ({
      type: "function_call_output",
      call_id,
      output: tools[name](JSON.parse(given)),
    }));

const create = (request) => client.responses.create(request);
const streamed = async (request) => {
  const stream = client.responses.stream(request);
  const kinds = [];
  for await (const { type } of stream) kinds.push(type);
  assert.equal(kinds.at(-1), "response.completed");
  return await stream.finalResponse();
};

beforeEach(() => sent());

for (const model of ["claude-sonnet-4-6", "claude-opus-5-5"]) {
  for (const [how, ask] of Object.entries({ create, streamed })) {
    describe(`openai responses, ${how}, ${model}`, () => {
      test("a text", async () => {
        const answer = await ask({ model, input: "Hello", instructions: "Be brief." });
        assert.match(answer.output_text, /stand-in, not Claude/);
        assert.equal(answer.status, "completed");
        assert.equal(answer.model, model);
        assert.ok(answer.usage.total_tokens > 0);
        assert.equal((await sent()).length, 1);
      });

      const looped = {
        model,
        tools: [weather, clock],
        reasoning: { effort: "high", summary: "auto" },
      };
      const asked = user("The weather in Paris and the clock");

      test("a loop of parallel tools that sends everything back", async () => {
        const input = [asked];
        const called = await ask({ ...looped, input, store: false });
        assert.match(
          called.output[0].summary[0].text,
          /stand-in's thinking/,
          "the thinking can be read",
        );
        input.push(...called.output, ...outputs(called));
        const answer = await ask({ ...looped, input, store: false });
        assert.match(answer.output_text, /sunny in Paris; noon/);
        assert.deepEqual(await thoughts(), [[], [1]]);
      });

      test("a loop of parallel tools by the previous response's id", async () => {
        const called = await ask({ ...looped, input: [asked] });
        const answer = await ask({
          ...looped,
          previous_response_id: called.id,
          input: outputs(called),
        });
        assert.match(answer.output_text, /sunny in Paris; noon/);
        assert.equal(answer.previous_response_id, called.id);
        assert.deepEqual(await thoughts(), [[], [1]]);
      });
    });
  }

  describe(`openai responses, ${model}`, () => {
    const text = { format: zodTextFormat(City, "city") };

    test("a parsed answer", async () => {
      const input = "Which city is Paris?";
      const answer = await client.responses.parse({ model, input, text });
      assert.ok(City.parse(answer.output_parsed));
    });

    test("a parsed answer, streamed", async () => {
      const answer = await streamed({ model, input: "Which city is Paris?", text });
      assert.ok(City.parse(answer.output_parsed));
    });

    test("a web search with its citation", async () => {
      const answer = await create({
        model,
        input: "Search for 'stand-in'",
        tools: [{ type: "web_search" }],
      });
      const kinds = answer.output.map(({ type }) => type);
      assert.ok(kinds.includes("web_search_call"));
      const parts = answer.output.flatMap(({ content }) => content ?? []);
      const cited = parts.flatMap(({ annotations }) => annotations ?? []);
      assert.equal(cited[0].url, "https://example.com/found");
    });
  });
}

describe("openai responses", () => {
  const model = "claude-opus-5-5";

  test("a custom tool whose input is streamed", async () => {
    const stream = client.responses.stream({
      model,
      input: "Use the editor on 'one line'",
      tools: [{ type: "custom", name: "editor" }],
    });
    let written = "";
    for await (const event of stream)
      if (event.type === "response.custom_tool_call_input.delta")
        written += event.delta;
    const { output } = await stream.finalResponse();
    const call = output.find(({ type }) => type === "custom_tool_call");
    assert.deepEqual([call.name, call.input], ["editor", "one line"]);
    assert.equal(written, "one line");
  });

  test("a response is kept, lists its input, and is deleted", async () => {
    const { id } = await create({ model, input: "Hello" });
    assert.equal((await client.responses.retrieve(id)).id, id);
    const items = [];
    for await (const item of client.responses.inputItems.list(id)) items.push(item);
    assert.equal(items[0].content[0].text, "Hello");
    await client.responses.delete(id);
    await assert.rejects(client.responses.retrieve(id), OpenAI.NotFoundError);
  });

  test("tokens are counted", async () => {
    const counted = await client.responses.inputTokens.count({ model, input: "Hello" });
    assert.ok(counted.input_tokens > 0);
  });

  test("an error by its class, its code and its parameter", async () => {
    await assert.rejects(create({ model, input: "" }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "input");
      return true;
    });
    const unknown = { model, input: "Hello", previous_response_id: "resp_none" };
    await assert.rejects(create(unknown), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.code, "previous_response_not_found");
      return true;
    });
    assert.equal((await sent()).length, 0);
  });
});
