// The other commands of the binary, and the other database.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { assessmentsOf, python } from './lib/mlflow.mjs';
import { eventually, freePort } from './lib/process.mjs';
import { EXPERIMENT, realConfig } from './lib/setup.mjs';
import { Server, temporaryFolder, thumbprint } from './lib/thumbprint.mjs';

test('check: says what works, and exits 1 when something does not', async (t) => {
  const dir = await temporaryFolder(t);
  const check = async (config) => {
    const file = path.join(dir, 'check.yaml');
    await writeFile(file, config);
    return thumbprint(['check', '--config', file, '--data', path.join(dir, 'data')]);
  };
  const good = await check(realConfig());
  assert.equal(good.code, 0, good.stdout + good.stderr);
  for (const id of ['support', 'late', 'chat', 'plain']) assert.match(good.stdout, new RegExp(id));

  const nobody = `  - {id: nobody, protocol: responses, url: "http://127.0.0.1:${await freePort()}/invocations", mlflow_experiment_id: "${EXPERIMENT}"}\n`;
  const bad = await check(realConfig({ more: nobody }));
  assert.equal(bad.code, 1);
  assert.match(bad.stdout + bad.stderr, /nobody.*refused/s);

  const missing = `  - {id: lost, protocol: responses, url: "${process.env.THUMBPRINT_E2E_AGENT}/invocations", mlflow_experiment_id: "987654321"}\n`;
  const lost = await check(realConfig({ more: missing }));
  assert.equal(lost.code, 1, 'an experiment that does not exist is a failure of check');
});

test('version', async () => {
  const { code, stdout } = await thumbprint(['version']);
  assert.equal(code, 0);
  assert.match(stdout, /go1\./);
});

test('token: made while the server runs, used by the real client as MLFLOW_TRACKING_TOKEN, revoked', async (t) => {
  const server = await Server.start(t);
  const token = async (...args) => {
    const { code, stdout, stderr } = await thumbprint(['token', ...args, '--data', server.data]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const secret = await token('create', 'ci', '--scope', 'traces');
  const seen = await python('trace_and_rate.py', ['req-00000000000000dd'], server.url, { MLFLOW_TRACKING_TOKEN: secret });
  assert.equal(seen.found, 1);
  const call = (route, bearer) => server.call('GET', route, undefined, { Authorization: `Bearer ${bearer}` });
  const experiment = '/api/2.0/mlflow/experiments/get?experiment_id=0';
  assert.equal((await call(experiment, secret)).status, 200);
  assert.equal((await call('/api/v1/conversations', secret)).status, 403, 'traces is not chat');
  assert.equal((await call(experiment, 'thp_wrong')).status, 401);
  assert.doesNotMatch(await token('list'), new RegExp(secret));
  await token('revoke', 'ci');
  assert.equal((await call(experiment, secret)).status, 401);
});

test('everything on PostgreSQL: ask, rate, kill -9, read back', async (t) => {
  const { url } = await python('new_database.py', [process.env.THUMBPRINT_TEST_POSTGRES]);
  const server = await Server.start(t, { config: `storage: {url: "${url}"}\n${realConfig()}` });
  for (const agent of ['support', 'plain']) {
    const answer = await server.ask(agent, 'weather in Oslo');
    const rated = await server.rate(answer.id, true, { source_id: 'ada', rationale: 'on PostgreSQL' });
    assert.ok([200, 202].includes(rated.status), JSON.stringify(rated.body));
    await server.restart('SIGKILL');
    const feedback = await eventually('delivered', async () => {
      const now = await server.feedback(rated.body.feedback_id);
      return now.delivery === 'delivered' && now;
    }, { within: 45_000 }); // killed in the middle of a delivery, another may try when its lease of 30 s is over
    assert.equal((await assessmentsOf(feedback.trace_id))[0].rationale, 'on PostgreSQL');
    assert.equal((await server.messages(answer.conversation)).at(-1).traceId, answer.id);
  }
});

test('everything on PostgreSQL: the embedded trace store with the real client', async (t) => {
  const { url } = await python('new_database.py', [process.env.THUMBPRINT_TEST_POSTGRES]);
  const server = await Server.start(t, { config: `storage: {url: "${url}"}\n` });
  const seen = await python('trace_and_rate.py', ['req-00000000000000cc'], server.url);
  assert.equal(seen.client_request_id, 'req-00000000000000cc');
  assert.equal(seen.assessments.length, 1);
});
