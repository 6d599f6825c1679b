// The real binary, started as a user would, and its HTTP API as a script would call it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { eventStream } from './events.mjs';
import { freePort, healthy, run, start } from './process.mjs';

const BINARY = process.env.THUMBPRINT_E2E_BINARY;

/** Runs one command of the binary to its end: for what refuses to start. */
export const thumbprint = (args, options) => run(BINARY, args, options);

/** A new empty folder, removed when the test `t` ends. */
export async function temporaryFolder(t) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'thumbprint-e2e-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** What a test context's `after` does, for what a whole suite shares; call it in the suite's body. */
export function suiteCleanup() {
  const tasks = [];
  after(async () => {
    for (const task of tasks.reverse()) await task();
  });
  return { after: (task) => tasks.push(task) };
}

/** One Thumbprint server on a free port with a data folder of its own. */
export class Server {
  /** `config` is YAML text; without it the server starts with nothing but a data folder. */
  static async start(t, { config, env = {} } = {}) {
    const server = new Server();
    server.dir = await temporaryFolder(t);
    server.addr = `127.0.0.1:${await freePort()}`;
    server.url = `http://${server.addr}`;
    server.data = path.join(server.dir, 'data');
    server.args = ['serve', '--addr', server.addr, '--data', server.data];
    server.env = env;
    if (config) {
      const file = path.join(server.dir, 'thumbprint.yaml');
      await writeFile(file, config);
      server.args.push('--config', file);
    }
    t.after(() => server.end('SIGKILL'));
    await server.launch();
    return server;
  }

  /** Starts the process; `msToHealthy` is the time from exec to the first 200 of /healthz. */
  async launch() {
    const began = performance.now();
    this.process = start(BINARY, this.args, { env: this.env, cwd: this.dir });
    await healthy(this.process, `${this.url}/healthz`, { every: 2 });
    this.msToHealthy = performance.now() - began;
  }

  async end(signal = 'SIGTERM') {
    return this.process?.end(signal);
  }

  async restart(signal) {
    await this.end(signal);
    await this.launch();
  }

  /** A JSON call; returns {status, headers, body}. */
  async call(method, route, body, headers = {}) {
    const response = await fetch(this.url + route, {
      method,
      headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  /** Opens a turn and returns the response while it streams. */
  invoke(agent, question, extra = {}) {
    return fetch(`${this.url}/api/v1/agents/${agent}/invocations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: question }], ...extra }),
    });
  }

  /** Asks and reads the stream to its end: {id, conversation, message, events, text, status, error}. */
  async ask(agent, question, extra) {
    const response = await this.invoke(agent, question, extra);
    if (!response.ok) throw new Error(`invocation: ${response.status} ${await response.text()}`);
    const events = [];
    for await (const event of eventStream(response.body)) events.push(event);
    return { response, ...summary(events) };
  }

  /** Rates an answer as a front end does. */
  rate(id, value, extra = {}) {
    return this.call('POST', '/api/log_assessment', { trace_id: id, assessment_name: 'user_feedback', assessment_value: value, ...extra });
  }

  async messages(conversation) {
    const { status, body } = await this.call('GET', `/api/v1/conversations/${conversation}/messages`);
    if (status !== 200) throw new Error(`messages: ${status} ${JSON.stringify(body)}`);
    return body.items;
  }

  /** The current state of one feedback, as its owner sees it. */
  async feedback(id) {
    return (await this.call('GET', `/api/v1/feedback/${id}`)).body;
  }
}

function summary(events) {
  const find = (type) => events.find((event) => event.json?.type === type)?.json;
  const stored = find('thumbprint.message');
  return {
    events,
    id: find('trace.client_request_id')?.client_request_id,
    conversation: stored?.conversation_id,
    message: stored?.message_id,
    text: events.filter((e) => e.json?.type === 'response.output_text.delta').map((e) => e.json.delta).join(''),
    status: find('thumbprint.done')?.status,
    error: find('error'),
  };
}
