// The real MLflow server, asked directly: what is on a trace is read past Thumbprint, never through it.
import path from 'node:path';
import { run } from './process.mjs';

export const MLFLOW = process.env.THUMBPRINT_TEST_MLFLOW;
const PYTHON = process.env.THUMBPRINT_TEST_PYTHON;

async function post(route, body) {
  const response = await fetch(MLFLOW + route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`MLflow ${route}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** The id of a new experiment. */
export async function createExperiment(name) {
  return (await post('/api/2.0/mlflow/experiments/create', { name })).experiment_id;
}

export async function experimentByName(name) {
  const response = await fetch(`${MLFLOW}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`);
  return response.ok ? (await response.json()).experiment.experiment_id : undefined;
}

/** Every trace of the experiment that carries the id, as MLflow's REST API shows it. */
export async function tracesWithId(experiment, clientRequestId) {
  const { traces = [] } = await post('/api/3.0/mlflow/traces/search', {
    locations: [{ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experiment } }],
    filter: `attributes.client_request_id = '${clientRequestId}'`,
  });
  return traces;
}

export async function assessmentsOf(traceId) {
  const response = await fetch(`${MLFLOW}/api/3.0/mlflow/traces/${encodeURIComponent(traceId)}`);
  if (!response.ok) throw new Error(`MLflow trace ${traceId}: ${response.status} ${await response.text()}`);
  return (await response.json()).trace.trace_info.assessments ?? [];
}

/** Runs one of the scripts in test/e2e/python with the real MLflow client and returns what it prints as JSON. */
export async function python(script, args, trackingUri = MLFLOW, more = {}) {
  const file = path.join(import.meta.dirname, '..', 'python', script);
  const env = { MLFLOW_TRACKING_URI: trackingUri, MLFLOW_DISABLE_TELEMETRY: 'true', ...more };
  const { code, stdout, stderr } = await run(PYTHON, [file, ...args], { env });
  if (code !== 0) throw new Error(`${script} ended with ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}
