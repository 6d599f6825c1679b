export function serveExample(target: string, port?: number): Promise<{ url: string; close(): Promise<void> }>;
