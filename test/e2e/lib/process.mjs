// Processes and ports. Whatever a test starts here ends with the test process, however that ends.
import { spawn } from 'node:child_process';
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** A TCP port on loopback that nobody listens on at this moment. */
export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts a program and collects what it prints.
 * `ended` resolves to {code, signal}; `end(signal)` asks it to end and waits.
 */
export function start(command, args, { env = {}, cwd } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const proc = { child, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (proc.stdout += chunk));
  child.stderr.on('data', (chunk) => (proc.stderr += chunk));
  proc.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  proc.ended.catch(() => {});
  proc.end = (signal = 'SIGTERM') => {
    child.kill(signal);
    return proc.ended;
  };
  return proc;
}

/** Runs a program to its end; resolves to {code, signal, stdout, stderr}. */
export async function run(command, args, options) {
  const proc = start(command, args, options);
  const { code, signal } = await proc.ended;
  return { code, signal, stdout: proc.stdout, stderr: proc.stderr };
}

/**
 * Calls `look` until it returns something truthy, and returns that.
 * `what` says in the failure what never came; the last error or value is named too.
 */
export async function eventually(what, look, { within = 15_000, every = 100 } = {}) {
  const deadline = performance.now() + within;
  for (let last; ; await pause(every)) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${within} ms: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    }
  }
}

/** Waits until `url` answers 200, and fails at once when the process has ended instead. */
export async function healthy(proc, url, options) {
  let over;
  proc.ended.then((end) => (over = end)).catch((error) => (over = { error: error.message }));
  await eventually(`${url} answers 200`, async () => over || (await fetch(url)).ok, options);
  if (over) throw new Error(`ended before it was healthy: ${JSON.stringify(over)}\n${proc.stdout}${proc.stderr}`);
}
