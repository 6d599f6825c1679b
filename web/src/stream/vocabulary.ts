// The Responses vocabulary, as far as the page reads it. It belongs to the
// agents and not to our server, which passes it on unchanged: any member may be
// missing or of any other type. So it is read here, once, and what is not what
// it should be counts as missing. Unknown types are kept.

export interface Annotation {
  type: string;
  title?: string;
  url?: string;
  filename?: string;
  start_index?: number;
  end_index?: number;
}

/** Text, or a refusal's. */
export interface Piece {
  text: string;
  annotations: Annotation[];
}

/** A string that is missing is empty. */
export interface OutputItem {
  type: string;
  id: string;
  call_id: string;
  name: string;
  server_label: string;
  status: string;
  summary: Piece[];
  content: Piece[];
  arguments?: unknown;
  output?: unknown;
  /** Under which names the tools of a model's maker say what went in and out. */
  input?: unknown;
  code?: unknown;
  action?: unknown;
  queries?: unknown;
  outputs?: unknown;
  results?: unknown;
  error?: unknown;
}

export function itemOf(value: unknown): OutputItem | undefined {
  if (!isFields(value)) return undefined;
  return {
    ...value,
    type: text(value.type),
    id: text(value.id),
    call_id: name(value.call_id),
    name: name(value.name),
    server_label: name(value.server_label),
    status: text(value.status),
    summary: piecesOf(value.summary),
    content: piecesOf(value.content),
  };
}

export function annotationOf(value: unknown): Annotation | undefined {
  if (!isFields(value)) return undefined;
  return {
    type: text(value.type),
    title: text(value.title) || undefined,
    url: text(value.url) || undefined,
    filename: text(value.filename) || undefined,
    start_index: index(value.start_index),
    end_index: index(value.end_index),
  };
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Some agents say their content as plain text. */
function piecesOf(content: unknown): Piece[] {
  const pieces: unknown[] = typeof content === "string" ? [content] : listOf(content);
  return pieces.flatMap((piece) => {
    if (typeof piece === "string") return [{ text: piece, annotations: [] }];
    if (!isFields(piece)) return [];
    return [{ text: text(piece.text) + text(piece.refusal), annotations: listOf(piece.annotations).flatMap((note) => annotationOf(note) ?? []) }];
  });
}

function name(value: unknown): string {
  return typeof value === "number" ? String(value) : text(value);
}

function index(value: unknown): number | undefined {
  return Number.isInteger(value) ? (value as number) : undefined;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
