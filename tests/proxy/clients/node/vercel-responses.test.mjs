// Vercel's AI SDK and its default provider, which speaks OpenAI's Responses API.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

import { sent, thoughts } from "./upstream.mjs";

const openai = createOpenAI({
  baseURL: `${process.env.PROXY_URL}/v1`,
  apiKey: "unused",
});
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA" +
  "AABJRU5ErkJggg==";
const City = z.object({ name: z.string(), people: z.number().int() });
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
const thinking = {
  forceReasoning: true,
  reasoningEffort: "high",
  reasoningSummary: "auto",
};
const STATE = { default: {}, "store: false": { store: false } };

beforeEach(() => sent());

for (const [state, stored] of Object.entries(STATE)) {
  for (const name of ["claude-sonnet-4-6", "claude-opus-5-5"]) {
    const common = { model: openai(name), maxRetries: 0 };
    const plain = { ...common, providerOptions: { openai: stored } };
    const thoughtful = {
      ...common,
      providerOptions: { openai: { ...stored, ...thinking } },
    };
    const looped = {
      ...thoughtful,
      prompt: "The weather in Paris and the clock",
      tools,
      stopWhen: isStepCount(5),
    };

    describe(`ai, responses, ${state}, ${name}`, () => {
      test("a text", async () => {
        const { text, finishReason, usage } = await generateText({
          ...plain,
          prompt: "Hello",
        });
        assert.match(text, /stand-in, not Claude/);
        assert.equal(finishReason, "stop");
        assert.ok(usage.inputTokens > 0);
        assert.ok(usage.outputTokens > 0);
        assert.equal((await sent()).length, 1);
      });

      test("a streamed text with its reasoning", async () => {
        const result = streamText({ ...thoughtful, prompt: "Hello" });
        let text = "";
        for await (const piece of result.textStream) text += piece;
        assert.match(text, /stand-in, not Claude/);
        assert.match(await result.reasoningText, /stand-in's thinking/);
        assert.equal(await result.finishReason, "stop");
      });

      test("a loop of parallel tools", async () => {
        const { text, steps } = await generateText(looped);
        assert.match(text, /sunny in Paris; noon/);
        assert.deepEqual(
          steps[0].toolCalls.map(({ toolName, input }) => [toolName, input]),
          [
            ["get_weather", { city: "Paris" }],
            ["read_clock", {}],
          ],
        );
        assert.deepEqual(await thoughts(), [[], [1]]);
      });

      test("a loop of parallel tools, streamed", async () => {
        const result = streamText(looped);
        const kinds = new Set();
        for await (const part of result.fullStream) kinds.add(part.type);
        assert.match(await result.text, /sunny in Paris; noon/);
        assert.ok(kinds.has("tool-input-delta"));
        assert.ok(!kinds.has("error"));
        assert.deepEqual(await thoughts(), [[], [1]]);
      });

      test("a conversation that goes on after a loop", async () => {
        const messages = [{ role: "user", content: looped.prompt }];
        const { prompt: _, ...rest } = looped;
        const first = await generateText({ ...rest, messages });
        messages.push(...first.responseMessages, { role: "user", content: "Thanks" });
        const { text } = await generateText({ ...rest, messages });
        assert.match(text, /Messages sent: 5/);
        assert.deepEqual(await thoughts(), [[], [1], [1, 1]]);
      });

      test("an object of a schema, plain and streamed", async () => {
        const request = {
          ...plain,
          prompt: "Which city is Paris?",
          output: Output.object({ schema: City }),
        };
        assert.ok(City.parse((await generateText(request)).output));
        let last;
        for await (const part of streamText(request).partialOutputStream) last = part;
        assert.ok(City.parse(last));
      });

      test("a picture", async () => {
        const content = [
          { type: "text", text: "What is it?" },
          { type: "file", data: PIXEL, mediaType: "image/png" },
        ];
        const messages = [{ role: "user", content }];
        const { text } = await generateText({ ...plain, messages });
        assert.match(text, /stand-in, not Claude/);
      });
    });
  }
}

test("an error with its status and its words", async () => {
  await assert.rejects(
    generateText({ model: openai("none"), prompt: "Hello", maxRetries: 0 }),
    (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, 404);
      assert.equal(error.data.error.code, "model_not_found");
      return true;
    },
  );
});
