export const length: number;
export const pace: number;
export function markdown(size: number): string;
export function startAgent(): Promise<{ url: string; close(): Promise<void> }>;
