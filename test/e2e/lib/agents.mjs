// The real agents of test/agent, started one after another: their start is mostly Python's imports.
import path from 'node:path';
import { MLFLOW } from './mlflow.mjs';
import { freePort, healthy, start } from './process.mjs';

const SCRIPT = path.join(import.meta.dirname, '..', '..', 'agent', 'real_agent.py');

/** Starts an agent and returns its address. `late: true` keeps the client's default export, about 5 s after the answer. */
export async function startAgent({ format, experiment, late = false }) {
  const port = await freePort();
  const args = [SCRIPT, '--format', format, '--port', String(port)];
  if (experiment) args.push('--experiment-id', experiment);
  const env = { MLFLOW_TRACKING_URI: MLFLOW, MLFLOW_DISABLE_TELEMETRY: 'true' };
  if (!late) env.MLFLOW_USE_BATCH_SPAN_PROCESSOR = 'false';
  const proc = start(process.env.THUMBPRINT_TEST_PYTHON, args, { env });
  await healthy(proc, `http://127.0.0.1:${port}/health`, { within: 90_000, every: 250 });
  return `http://127.0.0.1:${port}`;
}
