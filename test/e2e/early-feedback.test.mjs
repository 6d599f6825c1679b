// A thumb pressed before the trace is there: accepted, kept, delivered.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MLFLOW, assessmentsOf, tracesWithId } from './lib/mlflow.mjs';
import { ChatPage, delivery, openBrowser, thumb, visitor } from './lib/page.mjs';
import { eventually } from './lib/process.mjs';
import { EXPERIMENT, realConfig } from './lib/setup.mjs';
import { Server, suiteCleanup } from './lib/thumbprint.mjs';

describe("feedback before the agent's trace can be found (the client's default export, about 5 s)", () => {
  const suite = suiteCleanup();
  let server;
  before(async () => (server = await Server.start(suite, { config: realConfig() })));

  /** Waits until the one assessment of the answer's trace is in MLflow. */
  const landed = (id) =>
    eventually(
      'the feedback on the agent\'s trace',
      async () => {
        const [trace] = await tracesWithId(EXPERIMENT, id);
        const on = trace && (await assessmentsOf(trace.trace_id));
        return on?.length > 0 && on;
      },
      { within: 30_000 },
    );

  test('is accepted at once and lands', async () => {
    const answer = await server.ask('late', 'weather in Oslo');
    const rated = await server.rate(answer.id, true, { source_id: 'ada' });
    assert.equal(rated.status, 202, JSON.stringify(rated.body));
    assert.equal(rated.body.status, 'accepted');
    assert.equal(rated.body.delivery, 'waiting_for_trace');
    assert.deepEqual(await tracesWithId(EXPERIMENT, answer.id), [], 'the trace was not there yet');
    const [assessment] = await landed(answer.id);
    assert.equal(assessment.feedback.value, true);
    await eventually('our state says so', async () => (await server.feedback(rated.body.feedback_id)).delivery === 'delivered');
  });

  test('changed twice and undone twice while it waits is one assessment, the last one', async () => {
    const answer = await server.ask('late', 'hello');
    const rated = await server.rate(answer.id, true);
    await server.rate(answer.id, false, { rationale: 'second thoughts' });
    assert.ok([200, 202].includes((await server.call('DELETE', `/api/v1/feedback/${rated.body.feedback_id}`)).status));
    const last = await server.rate(answer.id, false, { rationale: 'final' });
    assert.equal(last.body.feedback_id, rated.body.feedback_id);
    const on = await landed(answer.id);
    assert.deepEqual(on.map((a) => [a.feedback.value, a.rationale]), [[false, 'final']]);
  });

  test('survives kill -9 while it waits', async () => {
    const answer = await server.ask('late', 'hello');
    assert.equal((await server.rate(answer.id, true, { rationale: 'kept' })).status, 202);
    await server.restart('SIGKILL');
    assert.equal((await landed(answer.id))[0].rationale, 'kept');
  });

  test('a thumb on the page is never refused, and says when it is on the trace', async (t) => {
    const chat = await ChatPage.open(await visitor(await openBrowser(t)), server);
    await chat.choose("Agent with the client's default export");
    const answer = await chat.ask('weather in Oslo');
    await thumb(answer, 'Good response').click();
    await delivery(answer, 'waiting_for_trace');
    assert.equal(await chat.toast().count(), 0);
    await landed(await answer.getAttribute('data-trace-id'));
    await delivery(answer, 'delivered');
  });
});

test('an agent that never shows a trace: a fallback trace takes the rating, and carries the id as a tag', async (t) => {
  const silent = `
  - id: silent
    protocol: chat_completions
    url: ${process.env.THUMBPRINT_E2E_MODEL}/invocations
    model: rules
    mlflow_experiment_id: "${EXPERIMENT}"
    trace: {by: agent, give_up_after: 2s}
`;
  const server = await Server.start(t, { config: realConfig({ more: silent }) });
  const answer = await server.ask('silent', 'hello');
  const rated = await server.rate(answer.id, false, { rationale: 'homeless otherwise' });
  assert.equal(rated.status, 202, JSON.stringify(rated.body));
  const feedback = await eventually(
    'delivered',
    async () => {
      const now = await server.feedback(rated.body.feedback_id);
      return now.delivery === 'delivered' && now;
    },
    { within: 30_000 },
  );
  assert.deepEqual(await tracesWithId(EXPERIMENT, answer.id), [], 'the field stays free for the agent');
  const { trace_info: info } = (await (await fetch(`${MLFLOW}/api/3.0/mlflow/traces/${feedback.trace_id}`)).json()).trace;
  assert.equal(info.tags.client_request_id, answer.id);
  assert.deepEqual(info.assessments.map((a) => a.rationale), ['homeless otherwise']);
  assert.match(info.response_preview, /You said: hello/);
});
