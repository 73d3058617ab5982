// OpenAI's Agents SDK for JavaScript, which speaks the Responses API.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import {
  Agent,
  MemorySession,
  OpenAIProvider,
  Runner,
  setTracingDisabled,
  tool,
} from "@openai/agents";
import { z } from "zod";

import { sent, thoughts } from "./upstream.mjs";

setTracingDisabled(true);
const runner = new Runner({
  modelProvider: new OpenAIProvider({
    baseURL: `${process.env.PROXY_URL}/v1`,
    apiKey: "unused",
  }),
  tracingDisabled: true,
});
const City = z.object({ name: z.string(), people: z.number().int() });
const tools = [
  tool({
    name: "get_weather",
    description: "Says how the weather is.",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
  tool({
    name: "read_clock",
    description: "Says what time it is.",
    parameters: z.object({}),
    execute: async () => "noon",
  }),
];

beforeEach(() => sent());

for (const model of ["claude-sonnet-4-6", "claude-opus-5-5"]) {
  const thinking = { reasoning: { effort: "high", summary: "auto" } };
  const agent = new Agent({
    name: "Guide",
    instructions: "Be brief.",
    model,
    modelSettings: thinking,
    tools,
  });
  const asked = "The weather in Paris and the clock";

  describe(`openai-agents, ${model}`, () => {
    test("a loop of parallel tools", async () => {
      const { finalOutput } = await runner.run(agent, asked);
      assert.match(finalOutput, /sunny in Paris; noon/);
      assert.deepEqual(await thoughts(), [[], [1]]);
    });

    test("a loop of parallel tools, streamed", async () => {
      const result = await runner.run(agent, asked, { stream: true });
      let text = "";
      for await (const piece of result.toTextStream()) text += piece;
      await result.completed;
      assert.match(text, /sunny in Paris; noon/);
      assert.deepEqual(await thoughts(), [[], [1]]);
    });

    test("a session of three turns", async () => {
      const session = new MemorySession();
      for (const turn of [asked, "Thanks", "The clock again"])
        await runner.run(agent, turn, { session });
      assert.deepEqual(await thoughts(), [
        [],
        [1],
        [1, 1],
        [1, 1, 1],
        [1, 1, 1, 1],
      ]);
    });

    test("an output of a schema", async () => {
      const typed = new Agent({ name: "Guide", model, outputType: City });
      const { finalOutput } = await runner.run(typed, "Which city is Paris?");
      assert.ok(City.parse(finalOutput));
    });

    test("a handoff", async () => {
      const expert = new Agent({ name: "Expert", model });
      const first = Agent.create({ name: "First", model, handoffs: [expert] });
      const result = await runner.run(first, "Ask the expert");
      assert.equal(result.lastAgent.name, "Expert");
      // Other tools and another prompt: no model may see what the first one thought.
      assert.equal((await sent({ thinkingMayBeDropped: true })).length, 2);
    });
  });
}
