// The unmodified MLflow Python client against the embedded trace store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { python } from './lib/mlflow.mjs';
import { Server } from './lib/thumbprint.mjs';

test('the real mlflow client traces, searches, rates and reads back with Thumbprint as its tracking server', async (t) => {
  const server = await Server.start(t);
  const seen = await python('trace_and_rate.py', ['req-0123456789abcdef'], server.url);
  assert.deepEqual(seen, {
    found: 1,
    client_request_id: 'req-0123456789abcdef',
    session: 'session-1',
    response: '"42"',
    spans: [['answer', 'UNKNOWN'], ['look_up', 'RETRIEVER']],
    assessments: [['user_feedback', true, 'HUMAN', 'ada', 'exactly']],
  });
});
