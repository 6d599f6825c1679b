export interface Example {
  folder: string;
  path: string;
  style: string;
}

export function buildReactExample(outDir: string): Example;
export function serveExample(target: string, options?: { port?: number; example?: Example }): Promise<{ url: string; close(): Promise<void> }>;
