// OpenAI's own JavaScript client, unchanged, with Thumbprint as its base URL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { Server } from './lib/thumbprint.mjs';

const question = [{ role: 'user', content: 'weather in Paris' }];
const named = /^req-[0-9a-f]{16}$/;

test("OpenAI's JavaScript client streams through Thumbprint, finds the answer's name, and the name takes a thumb", async (t) => {
  const server = await Server.start(t);
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', timeout: 20_000, defaultHeaders: { Authorization: null } });
  const names = new Set();
  const name = ({ response }) => {
    assert.match(response.headers.get('x-client-request-id'), named);
    names.add(response.headers.get('x-client-request-id'));
  };

  assert.deepEqual((await client.models.list()).data.map((m) => m.id), ['demo']);
  const whole = await client.chat.completions.create({ model: 'demo', messages: question }).withResponse();
  name(whole);
  const text = whole.data.choices[0].message.content;
  assert.match(text, /Paris/);
  assert.equal(whole.data.choices[0].finish_reason, 'stop');

  const chat = await client.chat.completions
    .create({ model: 'demo', messages: question, stream: true, stream_options: { include_usage: true } })
    .withResponse();
  name(chat);
  let streamed = '';
  let pieces = 0;
  let tokens;
  for await (const chunk of chat.data) {
    const piece = chunk.choices[0]?.delta?.content ?? '';
    streamed += piece;
    pieces += piece ? 1 : 0;
    tokens = chunk.usage?.total_tokens ?? tokens;
  }
  assert.equal(streamed, text);
  assert.ok(pieces > 1 && tokens > 0, `${pieces} pieces, ${tokens} tokens`);

  const response = await client.responses.create({ model: 'demo', input: question }).withResponse();
  name(response);
  assert.equal(response.data.output_text, text);
  assert.deepEqual(response.data.output.map((item) => item.type), ['function_call', 'function_call_output', 'message']);

  const events = client.responses.stream({ model: 'demo', input: question, previous_response_id: response.data.id });
  let deltas = '';
  events.on('response.output_text.delta', (event) => (deltas += event.delta));
  const final = await events.finalResponse();
  assert.deepEqual([final.output_text, deltas, final.status], [text, text, 'completed']);
  assert.equal(names.size, 3);

  for (const id of names) {
    const rated = await server.call('POST', '/api/log_assessment', { trace_id: id, assessment_name: 'user_feedback', assessment_value: false });
    assert.equal(rated.status, 200, JSON.stringify(rated.body));
  }
});

test("what goes wrong is an error of the client's own", async (t) => {
  const server = await Server.start(t);
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', timeout: 20_000, defaultHeaders: { Authorization: null } });
  const wrongKey = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-wrong' });
  const drain = async (content) => {
    for await (const chunk of await client.chat.completions.create({ model: 'demo', messages: [{ role: 'user', content }], stream: true })) void chunk;
  };
  for (const [does, kind, code] of [
    [() => client.chat.completions.create({ model: 'nobody', messages: question }), OpenAI.NotFoundError, 'model_not_found'],
    [() => client.chat.completions.create({ model: 'demo', messages: [] }), OpenAI.UnprocessableEntityError, null],
    [() => wrongKey.models.list(), OpenAI.AuthenticationError, 'invalid_api_key'],
    [() => client.chat.completions.create({ model: 'demo', messages: [{ role: 'user', content: 'fail' }] }), OpenAI.InternalServerError, 'agent_error'],
    [() => drain('fail late'), OpenAI.APIError, 'agent_error'],
  ]) {
    await assert.rejects(does, (error) => error instanceof kind && (error.code ?? null) === code, `${kind.name} ${code}`);
  }
});
