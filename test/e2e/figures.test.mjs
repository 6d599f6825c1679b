// Figures people ask for, measured in one run and printed; nothing here fails for being slow on a busy machine.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventStream } from './lib/events.mjs';
import { realConfig } from './lib/setup.mjs';
import { Server } from './lib/thumbprint.mjs';

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

test('from exec to healthy, and idle memory', async (t) => {
  const server = await Server.start(t);
  const first = server.msToHealthy;
  const times = [];
  for (let i = 0; i < 7; i++) {
    await server.restart('SIGTERM');
    times.push(server.msToHealthy);
  }
  const status = await readFile(`/proc/${server.process.child.pid}/status`, 'utf8');
  const memory = Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024;
  t.diagnostic(`healthy after ${first.toFixed(0)} ms with an empty folder, ${median(times).toFixed(0)} ms after a restart (median of ${times.length}); ${memory.toFixed(0)} MiB resident`);
  assert.ok(memory > 0);
});

/** Milliseconds from sending the request to the first event of the agent's own. */
async function firstWord(request) {
  const began = performance.now();
  const response = await request();
  for await (const event of eventStream(response.body)) {
    if (event.json?.type === 'response.output_text.delta') {
      const elapsed = performance.now() - began;
      await response.body.cancel?.().catch(() => {});
      return elapsed;
    }
  }
  throw new Error('the stream had no text');
}

test('time to the first word, through Thumbprint and from the agent directly', async (t) => {
  const server = await Server.start(t, { config: realConfig() });
  const direct = () =>
    fetch(`${process.env.THUMBPRINT_E2E_AGENT}/invocations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ input: [{ role: 'user', content: 'hello' }], stream: true }),
    });
  const through = () => server.invoke('support', 'hello');
  const times = { direct: [], through: [] };
  for (let i = 0; i < 21; i++) {
    times.direct.push(await firstWord(direct));
    times.through.push(await firstWord(through));
  }
  const [a, b] = [median(times.direct), median(times.through)];
  t.diagnostic(`first word: ${a.toFixed(1)} ms from the agent, ${b.toFixed(1)} ms through Thumbprint, ${(b - a).toFixed(1)} ms added (medians of 21, in turn)`);
  assert.ok(b > 0);
});
