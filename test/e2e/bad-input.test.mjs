// Every bad input gives one clear message, and loses nothing that was accepted. Seen from outside only.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { MLFLOW, assessmentsOf, tracesWithId } from './lib/mlflow.mjs';
import { ChatPage, openBrowser, visitor } from './lib/page.mjs';
import { eventually, freePort } from './lib/process.mjs';
import { countingProxy } from './lib/proxy.mjs';
import { EXPERIMENT, realConfig } from './lib/setup.mjs';
import { Server, suiteCleanup, temporaryFolder, thumbprint } from './lib/thumbprint.mjs';

describe('requests', () => {
  const suite = suiteCleanup();
  let server;
  before(async () => (server = await Server.start(suite)));

  const invocations = '/api/v1/agents/demo/invocations';
  const question = [{ role: 'user', content: 'hi' }];
  const table = [
    { name: 'malformed JSON', route: invocations, body: '{"messages": [', status: [400] },
    { name: 'wrong type', route: invocations, body: { messages: 'hi' }, status: [400, 422] },
    { name: 'unknown field', route: invocations, body: { messages: question, mesages: [] }, status: [400, 422] },
    { name: 'empty messages', route: invocations, body: { messages: [] }, status: [400, 422] },
    { name: 'unknown agent', route: '/api/v1/agents/nobody/invocations', body: { messages: question }, status: [404] },
    { name: 'too large a body', route: invocations, body: { messages: [{ role: 'user', content: 'x'.repeat(64 << 20) }] }, status: [413] },
    { name: 'not JSON', route: invocations, body: 'hi', headers: { 'Content-Type': 'text/plain' }, status: [415] },
    { name: 'detach without store', route: invocations, body: { messages: question, detach: true, store: false }, status: [400] },
    { name: 'feedback: malformed JSON', route: '/api/log_assessment', body: '{', status: [400] },
    { name: 'feedback: no id', route: '/api/log_assessment', body: { assessment_name: 'user_feedback', assessment_value: true }, status: [400, 422] },
    {
      name: 'feedback: unknown agent for an unknown id',
      route: '/api/log_assessment',
      body: { trace_id: 'req-00000000000000aa', agent_id: 'nobody', assessment_name: 'user_feedback', assessment_value: true },
      status: [422],
    },
    { name: 'a page that is not there', method: 'GET', route: '/api/v1/nothing', status: [404] },
    { name: 'a conversation that is not there', method: 'GET', route: '/api/v1/conversations/none/messages', status: [404] },
    { name: 'another site posts a form', route: invocations, body: { messages: question }, headers: { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }, status: [403] },
  ];
  for (const { name, method = 'POST', route, body, headers, status } of table) {
    test(name, async () => {
      const answer = await server.call(method, route, body, headers);
      assert.ok(status.includes(answer.status), `${answer.status}: ${JSON.stringify(answer.body).slice(0, 300)}`);
      assert.match(answer.headers.get('content-type'), /^application\/problem\+json/);
      assert.equal(answer.body.status, answer.status);
      assert.ok(answer.body.detail.length > 10, 'a sentence');
      assert.doesNotMatch(answer.body.detail, /goroutine|\.go:\d|sql:|<nil>/, 'for a person, not for a debugger');
    });
  }

  test('a wrong value for a dimension is refused and changes nothing', async () => {
    const answer = await server.ask('demo', 'hello');
    assert.ok((await server.rate(answer.id, true)).status < 300);
    const refused = await server.rate(answer.id, 'up');
    assert.equal(refused.status, 422, JSON.stringify(refused.body));
    assert.equal((await server.messages(answer.conversation)).at(-1).feedback[0].value, true);
  });

  test('another name for our address is refused', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = http.get(`${server.url}/api/v1/agents`, { headers: { Host: 'evil.example' } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      request.on('error', reject);
    });
    assert.ok([403, 421].includes(status), String(status));
  });
});

describe('agents that fail', () => {
  const suite = suiteCleanup();
  let server, browser;
  before(async () => {
    const nowhere = `
  - {id: unreachable, name: Unreachable, protocol: responses, url: "http://127.0.0.1:${await freePort()}/invocations", mlflow_experiment_id: "${EXPERIMENT}"}
`;
    server = await Server.start(suite, { config: realConfig({ more: nowhere }) });
    browser = await openBrowser(suite);
  });

  for (const { agent, name, question, text } of [
    { agent: 'unreachable', name: 'unreachable', question: 'hi', text: '' },
    { agent: 'support', name: 'failing before its first event', question: 'fail early', text: '' },
    { agent: 'support', name: 'failing in the middle', question: 'fail late please', text: 'You said: ' },
    { agent: 'chat', name: 'failing in the middle (chat_agent)', question: 'fail late please', text: 'You said: ' },
    { agent: 'plain', name: 'failing in the middle (chat_completions)', question: 'fail late please', text: 'You said: ' },
  ]) {
    test(`${name}: the id, one error event, an explicit end; the answer is kept and can be rated`, async () => {
      const answer = await server.ask(agent, question);
      assert.match(answer.id, /^req-/);
      assert.equal(answer.events.filter((event) => event.json?.type === 'error').length, 1);
      assert.ok(answer.error.code.length > 0 && answer.error.message.length > 0);
      assert.equal(answer.status, 'failed');
      assert.equal(answer.text, text);
      assert.equal(answer.events.at(-1).data, '[DONE]');
      const saved = (await server.messages(answer.conversation)).at(-1);
      assert.equal(saved.status, 'failed');
      assert.equal(saved.traceId, answer.id);
      assert.equal(saved.error.message, answer.error.message);
      const rated = await server.rate(answer.id, false);
      assert.ok([200, 202].includes(rated.status), JSON.stringify(rated.body));
    });
  }

  test('the page shows the message in the answer', async () => {
    const chat = await ChatPage.open(await visitor(browser), server);
    await chat.choose('Unreachable');
    const answer = await chat.ask('hi', 'failed');
    assert.ok((await answer.getByRole('alert').innerText()).length > 10);
    await answer.getByRole('button', { name: 'Retry' }).waitFor();
  });
});

test('MLflow down: feedback is accepted, kept over a kill -9, and delivered when MLflow is back', async (t) => {
  const proxy = await countingProxy(t, MLFLOW);
  const server = await Server.start(t, { config: realConfig({ mlflow: proxy.url }) });
  await proxy.down();
  const answers = [await server.ask('support', 'hello'), await server.ask('plain', 'hello')];
  for (const answer of answers) {
    assert.equal(answer.status, 'completed', 'chatting does not need MLflow');
    const rated = await server.rate(answer.id, false, { rationale: 'while it was down' });
    assert.equal(rated.status, 202, JSON.stringify(rated.body));
    assert.match(rated.body.delivery, /^waiting_for_(mlflow|trace)$/);
    answer.feedback = rated.body.feedback_id;
  }
  const ready = await server.call('GET', '/readyz');
  assert.equal(ready.status, 200, 'MLflow is listed as degraded, not as unready');
  const foreign = await server.rate('req-00000000000000bb', true, { agent_id: 'support' });
  assert.equal(foreign.status, 503, 'whether this trace exists cannot be known now');
  assert.ok(Number(foreign.headers.get('retry-after')) > 0);
  await server.restart('SIGKILL');
  await proxy.up();
  for (const answer of answers) {
    const feedback = await eventually(
      'delivered',
      async () => {
        const now = await server.feedback(answer.feedback);
        return now.delivery === 'delivered' && now;
      },
      { within: 60_000 },
    );
    const on = await assessmentsOf(feedback.trace_id);
    assert.deepEqual(on.map((a) => [a.feedback.value, a.rationale]), [[false, 'while it was down']]);
  }
  assert.equal((await tracesWithId(EXPERIMENT, answers[0].id)).length, 1);
});

describe('starting', () => {
  const line = (text, of) => {
    const lines = text.trim().split('\n');
    assert.doesNotMatch(text, /goroutine \d+|panic:/);
    assert.equal(lines.length, of, text);
    return lines;
  };

  for (const { name, yaml, at, says } of [
    { name: 'an unknown key', yaml: 'server: {addr: "127.0.0.1:0"}\nagent:\n  - id: a\n', at: 2, says: /agent/ },
    { name: 'a misspelt key below another', yaml: 'server:\n  adr: 127.0.0.1:8080\n', at: 2, says: /adr/ },
    { name: 'a bad value', yaml: 'agents:\n  - id: a\n    protocol: telepathy\n    url: http://127.0.0.1:1\n', at: 3, says: /telepathy/ },
    { name: 'a missing value', yaml: 'agents:\n  - id: a\n    protocol: responses\n', at: 2, says: /url/ },
    { name: 'not YAML', yaml: 'server: {addr: [\n', at: 1, says: /./ },
  ]) {
    test(`config with ${name}: one line with file and line number, exit 2, nothing opened`, async (t) => {
      const dir = await temporaryFolder(t);
      const file = path.join(dir, 'my.yaml');
      await writeFile(file, yaml);
      const end = await thumbprint(['serve', '--config', file, '--data', path.join(dir, 'data')]);
      assert.equal(end.code, 2, end.stderr);
      const [message] = line(end.stderr, 1);
      assert.ok(message.includes(`my.yaml:${at}`), message);
      assert.match(message, says);
    });
  }

  test('a port in use: one line that names it', async (t) => {
    const server = await Server.start(t);
    const end = await thumbprint(['serve', '--addr', server.addr, '--data', path.join(await temporaryFolder(t), 'data')]);
    assert.notEqual(end.code, 0);
    assert.ok(line(end.stderr, 1)[0].includes(server.addr), end.stderr);
  });

  test('a data folder that cannot be written: one line that names it', async (t) => {
    const file = path.join(await temporaryFolder(t), 'a-file');
    await writeFile(file, '');
    const end = await thumbprint(['serve', '--addr', '127.0.0.1:0', '--data', path.join(file, 'data')]);
    assert.notEqual(end.code, 0);
    assert.ok(line(end.stderr, 1)[0].includes(file), end.stderr);
  });

  test('a data folder in use by another server: one line', async (t) => {
    const server = await Server.start(t);
    const end = await thumbprint(['serve', '--addr', '127.0.0.1:0', '--data', server.data]);
    assert.notEqual(end.code, 0);
    line(end.stderr, 1);
  });

  test('listening beyond loopback without authentication is refused', async (t) => {
    const end = await thumbprint(['serve', '--addr', '0.0.0.0:0', '--data', path.join(await temporaryFolder(t), 'data')]);
    assert.equal(end.code, 2, end.stderr);
    assert.match(line(end.stderr, 1)[0], /0\.0\.0\.0:0 can be reached from other machines/);
  });
});
