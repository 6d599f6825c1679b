// How many MLflow requests one feedback costs, counted by a proxy between Thumbprint and the real server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MLFLOW, experimentByName, tracesWithId } from './lib/mlflow.mjs';
import { eventually } from './lib/process.mjs';
import { countingProxy, isSearch } from './lib/proxy.mjs';
import { EXPERIMENT, GATEWAY_EXPERIMENT, realConfig } from './lib/setup.mjs';
import { Server } from './lib/thumbprint.mjs';

/** Rates and waits for delivery; returns the requests that reached MLflow since the last reset. */
async function rateAndCount(server, proxy, id, value, extra) {
  proxy.reset();
  const rated = await server.rate(id, value, extra);
  await eventually('delivered', async () => (await server.feedback(rated.body.feedback_id)).delivery === 'delivered');
  return proxy.requests.filter((request) => /assessments|\/search$/.test(request.path));
}

const lines = (requests) => requests.map((request) => `${request.method} ${request.path}`).join('\n');

async function counted(t, agent, experiment) {
  const proxy = await countingProxy(t, MLFLOW);
  const server = await Server.start(t, { config: realConfig({ mlflow: proxy.url }) });
  const answer = await server.ask(agent, 'weather in Oslo');
  await eventually('the trace', async () => (await tracesWithId(await experiment(), answer.id)).length > 0);
  const first = await rateAndCount(server, proxy, answer.id, true, { source_id: 'ada' });
  const second = await rateAndCount(server, proxy, answer.id, true, { source_id: 'grace' });
  t.diagnostic(`first feedback:\n${lines(first)}`);
  t.diagnostic(`second feedback:\n${lines(second)}`);
  return { first, second, server, proxy, answer };
}

test("trace.by agent: a second feedback on an answer makes no search", async (t) => {
  const { first, second, server, proxy, answer } = await counted(t, 'chat', async () => EXPERIMENT);
  assert.ok(first.filter(isSearch).length <= 1, lines(first));
  assert.deepEqual(second.map((r) => r.method), ['POST'], 'one request: the assessment itself');
  await server.restart('SIGTERM');
  const afterRestart = await rateAndCount(server, proxy, answer.id, true, { source_id: 'joan' });
  assert.deepEqual(afterRestart.filter(isSearch), [], 'the mapping is in the database, not only in memory');
});

test('trace.by gateway: not even the first feedback makes a search', async (t) => {
  const { first, second } = await counted(t, 'plain', () => experimentByName(GATEWAY_EXPERIMENT));
  for (const requests of [first, second]) assert.deepEqual(requests.map((r) => r.method), ['POST'], lines(requests));
});
