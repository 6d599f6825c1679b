// A proxy before MLflow that counts what passes and can be switched off like a server that is down.
import http from 'node:http';

/** {url, requests: [{method, path, body, status}], reset(), down(), up()}; ends with the test `t`. */
export async function countingProxy(t, target) {
  const proxy = { requests: [] };
  const server = http.createServer((request, response) => forward(target, request, response, proxy.requests));
  const listen = (port) => new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address();
  proxy.url = `http://127.0.0.1:${port}`;
  proxy.reset = () => (proxy.requests.length = 0);
  proxy.up = () => listen(port);
  proxy.down = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  t.after(() => (server.listening ? proxy.down() : undefined));
  return proxy;
}

async function forward(target, request, response, seen) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const entry = { method: request.method, path: request.url.replace(/\?.*/, ''), body: body.toString('utf8') };
  seen.push(entry);
  const headers = { ...request.headers, host: new URL(target).host };
  const upstream = http.request(target + request.url, { method: request.method, headers }, (answer) => {
    entry.status = answer.statusCode;
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  upstream.end(body);
}

export const isSearch = (request) => /\/traces\/search$/.test(request.path);
