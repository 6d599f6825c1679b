// What becomes of an answer: streamed as it is made, shown with its tools and sources, and kept whatever ends it.
import assert from 'node:assert/strict';
import http from 'node:http';
import { before, describe, test } from 'node:test';
import { eventStream } from './lib/events.mjs';
import { assessmentsOf, tracesWithId } from './lib/mlflow.mjs';
import { ChatPage, openBrowser, visitor } from './lib/page.mjs';
import { eventually } from './lib/process.mjs';
import { EXPERIMENT, realConfig } from './lib/setup.mjs';
import { Server, suiteCleanup } from './lib/thumbprint.mjs';

describe('answers of real agents', () => {
  const suite = suiteCleanup();
  let server;
  before(async () => (server = await Server.start(suite, { config: realConfig() })));

  /** Reads a stream up to its n-th event of the type; returns what was read, and leaves the stream open. */
  async function upTo(stream, type, n = 1) {
    const seen = [];
    for (let count = 0; count < n; ) {
      const { value, done } = await stream.next();
      if (done) throw new Error(`the stream ended after ${JSON.stringify(seen)}`);
      seen.push(value);
      if (value.json?.type === type) count++;
    }
    return seen;
  }

  for (const agent of ['support', 'chat', 'plain']) {
    test(`${agent}: the id comes before the agent speaks, words come as they are spoken`, async () => {
      const response = await server.invoke(agent, 'slow please, one word after the other');
      const stream = eventStream(response.body);
      const began = performance.now();
      await upTo(stream, 'trace.client_request_id');
      await upTo(stream, 'response.output_text.delta');
      const first = performance.now() - began;
      for await (const event of stream) if (event.json?.type === 'thumbprint.done') assert.equal(event.json.status, 'completed');
      const whole = performance.now() - began;
      assert.ok(whole - first > 1000, `the first word came ${first.toFixed(0)} ms into ${whole.toFixed(0)} ms`);
    });

    test(`${agent}: a tool call is in the stored answer`, async () => {
      const answer = await server.ask(agent, 'weather in Oslo');
      const stored = (await server.messages(answer.conversation)).at(-1);
      assert.ok(stored.items.some((item) => item.type === 'function_call' && item.name === 'get_weather'), JSON.stringify(stored.items));
      assert.equal(stored.content, 'It is 18 °C and clear in Oslo.');
    });
  }

  test('the id is announced before the agent answers, and is the one the agent is called with', async (t) => {
    let release;
    const announced = new Promise((resolve) => (release = resolve));
    let called;
    const agent = http.createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      called = { header: request.headers['x-client-request-id'], body: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
      await announced; // were the id to wait for the agent, both would wait for ever
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.end('data: {"type":"response.output_text.delta","item_id":"m","delta":"at last"}\n\ndata: [DONE]\n\n');
    });
    await new Promise((resolve) => agent.listen(0, '127.0.0.1', resolve));
    t.after(() => agent.close());
    const more = `  - {id: patient, protocol: responses, url: "http://127.0.0.1:${agent.address().port}/invocations", mlflow_experiment_id: "${EXPERIMENT}"}\n`;
    const own = await Server.start(t, { config: realConfig({ more }) });
    const stream = eventStream((await own.invoke('patient', 'hello')).body);
    const [first] = await upTo(stream, 'trace.client_request_id');
    const [second] = await upTo(stream, 'thumbprint.message');
    release();
    await upTo(stream, 'thumbprint.done');
    assert.equal(called.header, first.json.client_request_id);
    assert.equal(called.body.custom_inputs.client_request_id, first.json.client_request_id);
    assert.equal(called.body.context.conversation_id, second.json.conversation_id);
  });

  test('events already in the Responses vocabulary pass byte for byte', async () => {
    const ask = async (url, body) => {
      const events = [];
      const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
      for await (const event of eventStream(response.body)) events.push(event.data);
      return events.map((data) => data.replace(/(msg|call|fc)_[0-9a-f-]+/g, '$1_…'));
    };
    const messages = [{ role: 'user', content: 'weather in Oslo, cite' }];
    const direct = await ask(`${process.env.THUMBPRINT_E2E_AGENT}/invocations`, { input: messages, stream: true });
    const relayed = await ask(`${server.url}/api/v1/agents/support/invocations`, { messages });
    const ours = /"type":"(trace\.client_request_id|thumbprint\.)/;
    const own = relayed.filter((data) => !ours.test(data) && !/^\{"trace_id"/.test(data));
    assert.deepEqual(own, direct);
    assert.ok(own.length > 5);
  });

  test('a caller who hangs up: stopped by disconnect, kept, and its rating lands', async () => {
    const response = await server.invoke('support', 'slow, and then slower, and slower still, I will not wait for the end of it');
    const stream = eventStream(response.body);
    const id = (await upTo(stream, 'trace.client_request_id'))[0].json.client_request_id;
    const stored = (await upTo(stream, 'thumbprint.message')).at(-1).json;
    await upTo(stream, 'response.output_text.delta', 2);
    await stream.return();
    const message = await eventually('the answer has ended', async () => {
      const last = (await server.messages(stored.conversation_id)).at(-1);
      return last.status !== 'streaming' && last;
    });
    assert.equal(message.status, 'stopped');
    assert.equal(message.stopped_by, 'disconnect');
    assert.equal(message.traceId, id);
    assert.ok(message.content.startsWith('You said: '));
    const rated = await server.rate(id, false, { rationale: 'too slow for me' });
    await eventually('delivered', async () => (await server.feedback(rated.body.feedback_id)).delivery === 'delivered', { within: 30_000 });
    const [trace] = await tracesWithId(EXPERIMENT, id);
    assert.equal((await assessmentsOf(trace.trace_id))[0].rationale, 'too slow for me');
  });

  test('kill -9 in the middle of an answer: it is there afterwards, as failed, with its name, and can be rated', async () => {
    const response = await server.invoke('plain', 'slow, and then slower, and slower still, until somebody pulls the plug');
    const stream = eventStream(response.body);
    const id = (await upTo(stream, 'trace.client_request_id'))[0].json.client_request_id;
    const { conversation_id: conversation } = (await upTo(stream, 'thumbprint.message')).at(-1).json;
    await upTo(stream, 'response.output_text.delta', 2);
    await server.restart('SIGKILL');
    await stream.next().catch(() => {}); // the connection is gone
    const [question, answer] = await server.messages(conversation);
    assert.match(question.content, /^slow/);
    assert.equal(answer.status, 'failed');
    assert.equal(answer.traceId, id);
    const rated = await server.rate(id, false, { rationale: 'the plug' });
    const feedback = await eventually('delivered', async () => {
      const now = await server.feedback(rated.body.feedback_id);
      return now.delivery === 'delivered' && now;
    });
    assert.equal((await assessmentsOf(feedback.trace_id))[0].rationale, 'the plug');
  });

  test('SIGTERM in the middle of an answer loses nothing', async () => {
    const response = await server.invoke('support', 'slow, and then slower, and a server that is told to end');
    const stream = eventStream(response.body);
    const id = (await upTo(stream, 'trace.client_request_id'))[0].json.client_request_id;
    const { conversation_id: conversation } = (await upTo(stream, 'thumbprint.message')).at(-1).json;
    await upTo(stream, 'response.output_text.delta', 2);
    const ended = server.end('SIGTERM');
    const rest = [];
    for await (const event of stream) rest.push(event);
    assert.equal(rest.at(-1).data, '[DONE]', 'the stream got its end');
    assert.equal((await ended).code, 0);
    await server.launch();
    const answer = (await server.messages(conversation)).at(-1);
    assert.equal(answer.traceId, id);
    assert.notEqual(answer.status, 'streaming');
  });

  test('a failed answer of a real agent is rated on its own trace, state ERROR', async () => {
    const answer = await server.ask('support', 'fail late please');
    const rated = await server.rate(answer.id, false, { rationale: 'broke off' });
    await eventually('delivered', async () => (await server.feedback(rated.body.feedback_id)).delivery === 'delivered');
    const [trace] = await tracesWithId(EXPERIMENT, answer.id);
    assert.equal(trace.state, 'ERROR');
    assert.equal((await assessmentsOf(trace.trace_id))[0].rationale, 'broke off');
  });

  test('the page shows Markdown, tools and sources', async (t) => {
    const plain = await Server.start(t);
    const chat = await ChatPage.open(await visitor(await openBrowser(t)), plain);
    const table = await chat.ask('Show me a table and some code');
    await table.getByRole('table').first().waitFor();
    await table.locator('pre code').first().waitFor();
    const cited = await chat.ask('Where is that from? Cite your sources.');
    await cited.getByRole('list', { name: 'Sources' }).getByRole('link').first().waitFor();
    const tool = await chat.ask('What is the weather in Paris?');
    await tool.getByText(/^Used /).first().waitFor();
    assert.deepEqual(chat.errors, []);
  });
});
