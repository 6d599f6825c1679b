// A trace made in Go looks in MLflow's own page as one made in Python does. The pictures in docs/go.md are those that
// this test takes; to renew them, copy .cache/screenshots/trace-from-{go,python}.png to docs/images.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { readDrawer, readList } from './lib/mlflow-ui.mjs';
import { MLFLOW, createExperiment, python } from './lib/mlflow.mjs';
import { openBrowser, screenshot, visitor } from './lib/page.mjs';
import { run } from './lib/process.mjs';

const ROOT = path.join(import.meta.dirname, '..', '..');

// For each span the head of its pane, and for each tab something that is on it: two pages that show nothing are alike too.
const SPANS = {
  support_agent: { head: 'support_agent\nconv-1\n1 tag', tabs: { 'Inputs / Outputs': 'What is 6 × 7?', Attributes: 'No attributes found' } },
  search_docs: { head: 'search_docs', tabs: { 'Inputs / Outputs': 'title: Answers', Attributes: 'No attributes found' } },
  model: {
    head: 'model\ngpt-x\n15 tokens',
    tabs: { 'Inputs / Outputs': 'What is 6 × 7?', Attributes: 'temperature\n0.2', Events: 'first_token', Links: 'retry' },
  },
  broken: { head: 'broken', tabs: { 'Inputs / Outputs': '42', Attributes: 'No attributes found', Events: 'exception.stacktrace' } },
};

async function makeInGo() {
  const experiment = await createExperiment(`go-${Date.now()}`);
  const made = await run('go', ['run', './test/e2e/go', experiment, 'req-python'], { cwd: ROOT, env: { MLFLOW_TRACKING_URI: MLFLOW } });
  assert.equal(made.code, 0, made.stderr);
  return { experiment, trace: JSON.parse(made.stdout) };
}

/** The other trace; its maker also reads Go's with MLflow's client. */
async function makeInPython(go) {
  const experiment = await createExperiment(`python-${Date.now()}`);
  const [{ made }] = await python('../../clients/python_client.py', [MLFLOW, experiment, go.trace, 'req-python']);
  return { experiment, trace: made };
}

/** Text without what differs between any two traces: ids, times, the language's own name of an error and its stack. */
function masked(text) {
  return text
    .replace(/^Trace\n[0-9a-f]{8}\n/, 'Trace\n…\n')
    .replace(/^.* ago$/m, '… ago')
    .replace(/\d+(\.\d+)?m?s$/gm, '…')
    .replace(/(exception\.type\nText\n1).*/, '$1…')
    .replace(/(exception\.stacktrace\nText\n1)[^]*/, '$1…');
}

test('a trace made in Go looks in MLflow as one made in Python', async (t) => {
  const go = await makeInGo();
  const traces = { go, python: await makeInPython(go) };
  const browser = await openBrowser(t);
  const seen = {};
  for (const [language, made] of Object.entries(traces)) {
    const page = await visitor(browser, { viewport: { width: 1400, height: 800 } });
    const list = masked(await readList(page, made));
    await screenshot(page, `trace-list-from-${language}`);
    const look = async (span, tab) => {
      if (span === 'model' && tab === 'Inputs / Outputs') await screenshot(page, `trace-from-${language}`);
      if (span === 'broken' && tab === 'Events') await screenshot(page, `trace-error-from-${language}`);
    };
    const panes = await readDrawer(page, made, SPANS, look);
    seen[language] = { list, panes: panes.map((pane) => ({ ...pane, text: masked(pane.text) })) };
  }
  assert.match(seen.go.list, /What is 6 × 7\?\n42\nconv-1\n…\nOK\n15\nteam: red/);
  assert.deepEqual(seen.go, seen.python);
});
