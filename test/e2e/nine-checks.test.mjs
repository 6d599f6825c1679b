// The nine checks of the mission, each by its name: real binary, real MLflow server and agents, real
// Python client reading back, real Chromium. `agent`: the agent records its own trace and it is found
// by the id. `gateway`: a plain model, and Thumbprint records the trace.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { assessmentsOf, experimentByName, python, tracesWithId } from './lib/mlflow.mjs';
import { openRating } from './lib/mlflow-ui.mjs';
import { ChatPage, delivery, openBrowser, screenshot, thumb, visitor } from './lib/page.mjs';
import { eventually } from './lib/process.mjs';
import { EXPERIMENT, GATEWAY_EXPERIMENT, realConfig } from './lib/setup.mjs';
import { Server, suiteCleanup } from './lib/thumbprint.mjs';

const ways = [
  { way: 'agent', agent: 'support', name: 'Support assistant', experiment: async () => EXPERIMENT },
  { way: 'gateway', agent: 'plain', name: 'Plain model', experiment: () => experimentByName(GATEWAY_EXPERIMENT) },
];

for (const { way, agent, name, experiment } of ways) {
  describe(`trace.by: ${way}`, () => {
    const suite = suiteCleanup();
    let server, browser;
    before(async () => {
      server = await Server.start(suite, { config: realConfig() });
      browser = await openBrowser(suite);
    });

    test("1 the stream's first event is trace.client_request_id", async () => {
      const answer = await server.ask(agent, 'weather in Oslo');
      assert.deepEqual(Object.keys(answer.events[0].json), ['type', 'client_request_id']);
      assert.equal(answer.events[0].json.type, 'trace.client_request_id');
      assert.match(answer.id, /^req-[0-9a-f]{16}$/);
      assert.equal(answer.response.headers.get('x-client-request-id'), answer.id);
      assert.equal(answer.events[1].json.type, 'thumbprint.message');
      assert.equal(answer.text, 'It is 18 °C and clear in Oslo.');
      assert.equal(answer.status, 'completed');
      assert.equal(answer.events.at(-1).data, '[DONE]');
    });

    test('2 the front end captures it and stores it in message.traceId', async () => {
      const chat = await ChatPage.open(await visitor(browser), server);
      await chat.choose(name);
      const stream = chat.page.waitForResponse((response) => response.url().endsWith('/invocations'));
      const answer = await chat.ask('weather in Rome');
      const sent = (await stream).headers()['x-client-request-id'];
      assert.equal(await answer.getAttribute('data-trace-id'), sent);
      assert.match(sent, /^req-[0-9a-f]{16}$/);
      assert.deepEqual(chat.errors, []);
    });

    test('3 saved messages persist it', async () => {
      const answer = await server.ask(agent, 'hello');
      const [question, saved] = await server.messages(answer.conversation);
      assert.equal(saved.id, answer.message);
      assert.equal(saved.traceId, answer.id);
      assert.equal(saved.status, 'completed');
      assert.equal(saved.parent_id, question.id);
      assert.equal(question.traceId, undefined);
    });

    test('4 loaded messages restore it', async () => {
      const answer = await server.ask(agent, 'hello again');
      const chat = await ChatPage.open(await visitor(browser), server, `/c/${answer.conversation}`);
      const article = await chat.finished();
      assert.equal(await article.getAttribute('data-trace-id'), answer.id);
      assert.equal(await article.getAttribute('data-message-id'), answer.message);
      await chat.page.reload();
      assert.equal(await (await chat.finished()).getAttribute('data-trace-id'), answer.id);
    });

    test('5 the feedback endpoint finds the trace by it', async () => {
      const answer = await server.ask(agent, 'weather in Lima');
      const [trace] = await eventually('the trace in MLflow', async () => {
        const found = await tracesWithId(await experiment(), answer.id);
        return found.length > 0 && found;
      });
      const rated = await server.rate(answer.id, true, { agent_id: agent });
      assert.equal(rated.status, 200, JSON.stringify(rated.body));
      assert.equal(rated.body.status, 'success');
      assert.equal(rated.body.trace_id, trace.trace_id);
      const on = await assessmentsOf(trace.trace_id);
      assert.deepEqual(on.map((a) => a.assessment_id), [rated.body.assessment_id]);
    });

    test('6 the feedback is in MLflow (value, name, HUMAN, source_id, rationale)', async () => {
      const answer = await server.ask(agent, 'cite');
      const rated = await server.rate(answer.id, false, {
        source_id: 'ada@example.com',
        rationale: 'The second source is about something else.',
        reasons: ['inaccurate'],
      });
      await eventually('delivered', async () => (await server.feedback(rated.body.feedback_id)).delivery === 'delivered');
      const [trace, ...more] = await python('read_feedback.py', [await experiment(), answer.id]);
      assert.equal(more.length, 0);
      assert.equal(trace.client_request_id, answer.id);
      assert.equal(trace.state, 'OK');
      assert.equal(trace.assessments.length, 1);
      const { id, metadata, ...assessment } = trace.assessments[0];
      assert.deepEqual(assessment, {
        name: 'user_feedback',
        value: false,
        source_type: 'HUMAN',
        source_id: 'ada@example.com',
        rationale: 'The second source is about something else.',
      });
      assert.ok(id.length > 0);
      const said = Object.values(metadata).join(' ');
      for (const part of [answer.id, answer.conversation, answer.message, 'inaccurate']) assert.ok(said.includes(part), `${part} in ${said}`);
    });

    test("7 it is visible in MLflow's own web UI", async () => {
      const answer = await server.ask(agent, 'weather in Cairo');
      const rated = await server.rate(answer.id, true, { source_id: 'grace@example.com', rationale: 'Just what I needed.' });
      const state = await eventually('delivered', async () => {
        const feedback = await server.feedback(rated.body.feedback_id);
        return feedback.delivery === 'delivered' && feedback;
      });
      const page = await visitor(browser, { viewport: { width: 1600, height: 1000 } });
      const shown = await openRating(page, { experiment: await experiment(), trace: state.trace_id, value: 'True' });
      assert.match(shown, /user_feedback\s+True\s+grace@example\.com/);
      assert.match(shown, /Rationale\s+Just what I needed\./);
      await screenshot(page, `mlflow-ui-${way}`);
    });

    test('8 a trace that cannot be found gives 404 "Trace not found for feedback" and an error toast', async () => {
      const refused = await server.rate('req-00000000000000ff', true, { agent_id: agent });
      assert.equal(refused.status, 404);
      assert.match(refused.headers.get('content-type'), /^application\/problem\+json/);
      assert.equal(refused.body.detail, 'Trace not found for feedback');
    });

    test('9 it all works across server restarts', async (t) => {
      const own = await Server.start(t, { config: realConfig() });
      for (const signal of ['SIGTERM', 'SIGKILL']) {
        const answer = await own.ask(agent, `before ${signal}`);
        const first = await own.rate(answer.id, true, { source_id: 'ada', rationale: 'first' });
        assert.ok([200, 202].includes(first.status), JSON.stringify(first.body));
        await own.restart(signal);

        const saved = (await own.messages(answer.conversation)).at(-1);
        assert.equal(saved.traceId, answer.id);
        assert.equal(saved.content, `You said: before ${signal}`);
        assert.equal(saved.feedback[0].value, true);
        const chat = await ChatPage.open(await visitor(browser), own, `/c/${answer.conversation}`);
        assert.equal(await (await chat.finished()).getAttribute('data-trace-id'), answer.id);

        await own.rate(answer.id, false, { source_id: 'ada', rationale: 'second' });
        const trace = await eventually('the changed feedback in MLflow', async () => {
          const [found] = await tracesWithId(await experiment(), answer.id);
          const on = found && (await assessmentsOf(found.trace_id));
          return on?.some((a) => a.rationale === 'second') && on;
        });
        assert.equal(trace.length, 1, 'one assessment, changed, not two');
        assert.equal(trace[0].feedback.value, false);
      }
    });
  });
}

// The page is open, the server comes back with an empty data folder: the answer on the screen is one it never heard of.
test('8 … an error toast', async (t) => {
  const server = await Server.start(t);
  const chat = await ChatPage.open(await visitor(await openBrowser(t)), server);
  const answer = await chat.ask('hello');
  await server.end();
  await rm(server.data, { recursive: true });
  await server.launch();
  const refused = chat.page.waitForResponse((response) => response.request().method() === 'POST' && /log_assessment/.test(response.url()));
  await thumb(answer, 'Good response').click();
  assert.equal((await refused).status(), 404);
  await chat.toast().getByText('Trace not found for feedback').waitFor();
  await screenshot(chat.page, 'error-toast');
  assert.equal(await thumb(answer, 'Good response').getAttribute('aria-pressed'), 'false', 'the thumb does not stay pressed');
});

/** The thumb on the page itself, for both ways: pressed, kept after a reload, on the trace. */
test('a thumb pressed on the page lands on the trace of its own answer', async (t) => {
  const server = await Server.start(t, { config: realConfig() });
  const browser = await openBrowser(t);
  for (const { name, experiment } of ways) {
    const chat = await ChatPage.open(await visitor(browser), server);
    await chat.choose(name);
    await chat.ask('weather in Oslo');
    const answer = await chat.ask('cite');
    await thumb(answer, 'Bad response').click();
    const dialog = chat.page.getByRole('dialog', { name: 'What went wrong?' });
    await dialog.getByRole('button', { name: 'Inaccurate' }).click();
    await dialog.getByRole('textbox', { name: 'Comment' }).fill('Wrong city.');
    await dialog.getByRole('button', { name: 'Send', exact: true }).click();
    await delivery(answer, 'delivered');
    const [trace] = await tracesWithId(await experiment(), await answer.getAttribute('data-trace-id'));
    const [assessment] = await eventually('the comment in MLflow', async () => {
      const on = await assessmentsOf(trace.trace_id);
      return on[0]?.rationale === 'Wrong city.' && on;
    });
    assert.equal(assessment.feedback.value, false);
    assert.equal(assessment.source.source_type, 'HUMAN');
    const other = await chat.answers.first().getAttribute('data-trace-id');
    const [untouched] = await tracesWithId(await experiment(), other);
    assert.deepEqual(await assessmentsOf(untouched.trace_id), [], 'the other answer has no rating');
    await chat.page.reload();
    await chat.finished();
    assert.equal(await thumb(chat.answers.last(), 'Bad response').getAttribute('aria-pressed'), 'true');
    assert.deepEqual(chat.errors, []);
  }
});
