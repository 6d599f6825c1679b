// The configuration most tests share: real agents, real MLflow.
import { MLFLOW } from './mlflow.mjs';

const env = process.env;

/** Where the agents of run.mjs record their traces. */
export const EXPERIMENT = env.THUMBPRINT_E2E_EXPERIMENT;
/** Where Thumbprint records the answers of agents that do not; created by the server from this name. */
export const GATEWAY_EXPERIMENT = 'e2e-recorded-by-thumbprint';

/** YAML for a server with real parts. `mlflow` may be a proxy's address; `more` is YAML of further agents. */
export function realConfig({ mlflow = MLFLOW, more = '' } = {}) {
  return `
mlflow: {tracking_uri: "${mlflow}"}
agents:
  - id: support
    name: Support assistant
    protocol: responses
    url: ${env.THUMBPRINT_E2E_AGENT}/invocations
    mlflow_experiment_id: "${EXPERIMENT}"
    version: "2026-11-20"
  - id: late
    name: Agent with the client's default export
    protocol: responses
    url: ${env.THUMBPRINT_E2E_LATE_AGENT}/invocations
    mlflow_experiment_id: "${EXPERIMENT}"
  - id: chat
    name: Chat agent
    protocol: chat_agent
    url: ${env.THUMBPRINT_E2E_CHAT_AGENT}/invocations
    mlflow_experiment_id: "${EXPERIMENT}"
  - id: plain
    name: Plain model
    protocol: chat_completions
    url: ${env.THUMBPRINT_E2E_MODEL}/invocations
    model: rules
    mlflow_experiment: ${GATEWAY_EXPERIMENT}
${more}`;
}
