// The real binary, and the network between it and a trace store.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as listen, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

let built: string | undefined;

/** The binary named by THUMBPRINT_BINARY, else one built from this checkout. */
export function binary(): string {
  if (process.env.THUMBPRINT_BINARY) return process.env.THUMBPRINT_BINARY;
  if (!built) {
    built = join(mkdtempSync(join(tmpdir(), "thumbprint-bin-")), "thumbprint");
    execFileSync("go", ["build", "-o", built, "./cmd/thumbprint"], { cwd: join(import.meta.dirname, "../.."), stdio: "inherit" });
    process.once("exit", () => rmSync(join(built ?? "", ".."), { recursive: true, force: true }));
  }
  return built;
}

export async function freePort(): Promise<number> {
  const server = listen();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One server with a data folder and an address of its own, which outlive its process. */
export class Server {
  readonly url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "thumbprint-web-"));
  readonly #args: string[];
  #process: ChildProcess | undefined;
  #log = "";

  private constructor(port: number, config: string) {
    this.url = `http://127.0.0.1:${port}`;
    const file = join(this.#folder, "config.yaml");
    writeFileSync(file, config);
    this.#args = ["serve", "--config", file, "--data", join(this.#folder, "data"), "--addr", `127.0.0.1:${port}`];
  }

  /** Starts a server with this YAML; none is the default: the demo agent and the embedded trace store. */
  static async start(config = ""): Promise<Server> {
    const server = new Server(await freePort(), config);
    await server.resume();
    return server;
  }

  /** Starts the process, again after `kill`. */
  async resume(): Promise<void> {
    const child = spawn(binary(), this.#args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: this.#folder } });
    this.#process = child;
    for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (chunk) => (this.#log += chunk));
    for (let tries = 0; tries < 200; tries++) {
      if (child.exitCode !== null) break;
      try {
        if ((await fetch(`${this.url}/readyz`)).ok) return;
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the server did not start:\n${this.#log}`);
  }

  /** Ends the process as a power cut would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What the network to a trace store does: carries, is cut, or refuses every rating for good. */
export type Weather = "fine" | "cut" | "refusing";

/** A proxy whose weather a test decides. */
export class Network {
  weather: Weather = "fine";
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async to(target: string): Promise<Network> {
    const server = createServer((req, res) => network.#carry(target, req, res));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const network = new Network(`http://127.0.0.1:${port}`, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return network;
  }

  end(): Promise<void> {
    return this.#close();
  }

  #carry(target: string, req: IncomingMessage, res: ServerResponse): void {
    if (this.weather === "cut") return void req.socket.destroy();
    if (this.weather === "refusing" && req.url?.includes("/assessments")) {
      res.writeHead(400, { "Content-Type": "application/json" });
      return void res.end(JSON.stringify({ error_code: "INVALID_PARAMETER_VALUE", message: "Not this one." }));
    }
    const onward = request(target + req.url, { method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    req.pipe(onward);
  }
}

/** What the trace store holds of an answer's ratings, asked directly. */
export async function ratings(store: string, clientRequestId: string): Promise<unknown[]> {
  const experiments = (await (await fetch(`${store}/api/2.0/mlflow/experiments/search`, { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"max_results":100}' })).json()) as {
    experiments: { experiment_id: string }[];
  };
  const found = await fetch(`${store}/api/3.0/mlflow/traces/search`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      locations: experiments.experiments.map(({ experiment_id }) => ({ type: "MLFLOW_EXPERIMENT", mlflow_experiment: { experiment_id } })),
      filter: `attributes.client_request_id = '${clientRequestId}'`,
    }),
  });
  const { traces = [] } = (await found.json()) as { traces?: { assessments?: { feedback?: { value: unknown } }[] }[] };
  return traces.flatMap(({ assessments = [] }) => assessments.map(({ feedback }) => feedback?.value));
}
