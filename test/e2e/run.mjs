// Starts what every test file shares, once, then runs node's test runner over them:
// the binary built from this checkout, the experiments, and the real agents.
// scripts/test gives it the real MLflow server, Python with MLflow, and Chromium.
//
//     node test/e2e/run.mjs [FILE…]      FILE: default all *.test.mjs beside this one
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

for (const name of ['THUMBPRINT_TEST_MLFLOW', 'THUMBPRINT_TEST_PYTHON', 'THUMBPRINT_TEST_CHROMIUM', 'THUMBPRINT_TEST_POSTGRES']) {
  if (!process.env[name]) {
    console.error(`${name} is not set; run scripts/test e2e`);
    process.exit(2);
  }
}
const { startAgent } = await import('./lib/agents.mjs');
const { createExperiment } = await import('./lib/mlflow.mjs');
const { run } = await import('./lib/process.mjs');

const here = import.meta.dirname;
const scratch = mkdtempSync(path.join(os.tmpdir(), 'thumbprint-e2e-run-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Everything a test file finds in its environment. */
async function prepare() {
  const binary = path.join(scratch, 'thumbprint');
  const built = await run('go', ['build', '-o', binary, './cmd/thumbprint'], { cwd: path.join(here, '..', '..') });
  if (built.code !== 0) throw new Error(`go build:\n${built.stderr}`);
  const experiment = await createExperiment(`e2e-${path.basename(scratch)}`);
  return {
    THUMBPRINT_E2E_BINARY: binary,
    THUMBPRINT_E2E_EXPERIMENT: experiment,
    THUMBPRINT_E2E_AGENT: await startAgent({ format: 'responses', experiment }),
    THUMBPRINT_E2E_LATE_AGENT: await startAgent({ format: 'responses', experiment, late: true }),
    THUMBPRINT_E2E_CHAT_AGENT: await startAgent({ format: 'chat_agent', experiment }),
    THUMBPRINT_E2E_MODEL: await startAgent({ format: 'chat_completions' }),
  };
}

function testRunner(env, files) {
  const args = ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files];
  const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
}

const named = process.argv.slice(2).map((file) => path.resolve(file));
const all = readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => path.join(here, name));
const env = await prepare();
process.exit(await testRunner(env, named.length > 0 ? named : all));
