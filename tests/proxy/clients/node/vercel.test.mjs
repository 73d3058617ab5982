// Vercel's AI SDK in front of the proxy, through both of its OpenAI providers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  generateText,
  isStepCount,
  Output,
  streamText,
  tool,
} from "ai";
import { z } from "zod";

const baseURL = `${process.env.PROXY_URL}/v1`;
const compatible = createOpenAICompatible({
  name: "proxy",
  baseURL,
  apiKey: "unused",
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const openai = createOpenAI({ baseURL, apiKey: "unused" });
const PROVIDERS = {
  "openai-compatible": (name) => compatible(name),
  openai: (name) => openai.chat(name),
};
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA" +
  "AABJRU5ErkJggg==";
const tools = {
  get_weather: tool({
    description: "Says how the weather is.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
  read_clock: tool({
    inputSchema: z.object({}),
    execute: async () => "noon",
  }),
};
const City = z.object({ name: z.string(), people: z.number().int() });
const looped = {
  prompt: "The weather in Paris and the clock",
  tools,
  stopWhen: isStepCount(5),
  maxRetries: 0,
};

for (const [provider, named] of Object.entries(PROVIDERS)) {
  for (const name of ["claude-sonnet-4-6", "claude-opus-5-5"]) {
    const model = named(name);
    describe(`ai, ${provider}, ${name}`, () => {
      test("a text", async () => {
        const { text, finishReason, usage } = await generateText({
          model,
          prompt: "Hello",
          maxRetries: 0,
        });
        assert.match(text, /stand-in, not Claude/);
        assert.equal(finishReason, "stop");
        assert.ok(usage.inputTokens > 0);
        assert.ok(usage.outputTokens > 0);
      });

      test("a streamed text with its usage", async () => {
        const result = streamText({ model, prompt: "Hello", maxRetries: 0 });
        let text = "";
        for await (const piece of result.textStream) text += piece;
        assert.match(text, /stand-in, not Claude/);
        assert.equal(await result.finishReason, "stop");
        assert.ok((await result.usage).outputTokens > 0);
      });

      test("a loop of parallel tools", async () => {
        const { text, steps } = await generateText({ model, ...looped });
        assert.match(text, /sunny in Paris; noon/);
        assert.deepEqual(
          steps[0].toolCalls.map(({ toolName, input }) => [toolName, input]),
          [
            ["get_weather", { city: "Paris" }],
            ["read_clock", {}],
          ],
        );
      });

      test("a loop of parallel tools, streamed", async () => {
        const result = streamText({ model, ...looped });
        const kinds = new Set();
        for await (const part of result.fullStream) kinds.add(part.type);
        assert.match(await result.text, /sunny in Paris; noon/);
        assert.ok(kinds.has("tool-input-delta"));
        assert.ok(!kinds.has("error"));
      });

      test("an object of a schema", async () => {
        const { output } = await generateText({
          model,
          prompt: "Which city is Paris?",
          output: Output.object({ schema: City }),
          maxRetries: 0,
        });
        assert.ok(City.parse(output));
      });

      test("an object of a schema, streamed", async () => {
        const result = streamText({
          model,
          prompt: "Which city is Paris?",
          output: Output.object({ schema: City }),
          maxRetries: 0,
        });
        let last;
        for await (const partial of result.partialOutputStream) last = partial;
        assert.ok(City.parse(last));
      });

      test("a picture", async () => {
        const content = [
          { type: "text", text: "What is it?" },
          { type: "file", data: PIXEL, mediaType: "image/png" },
        ];
        const messages = [{ role: "user", content }];
        const { text } = await generateText({ model, messages, maxRetries: 0 });
        assert.match(text, /stand-in, not Claude/);
      });

      test("an error with its status and its words", async () => {
        await assert.rejects(
          generateText({ model: named("none"), prompt: "Hello", maxRetries: 0 }),
          (error) => {
            assert.ok(APICallError.isInstance(error));
            assert.equal(error.statusCode, 404);
            assert.equal(error.data.error.code, "model_not_found");
            return true;
          },
        );
      });
    });
  }
}

test("reasoning is read by the compatible provider, plain and streamed", async () => {
  const request = {
    model: compatible("claude-opus-5-5"),
    prompt: "Hello",
    providerOptions: { proxy: { reasoningEffort: "high" } },
    maxRetries: 0,
  };
  const { reasoningText } = await generateText(request);
  assert.match(reasoningText, /stand-in's thinking/);
  assert.equal(await streamText(request).reasoningText, reasoningText);
});
