// The Responses vocabulary, as far as the page reads it. It belongs to the
// agents and not to our server, which passes it on unchanged; so every member
// may be missing, and unknown types are kept.

export interface Annotation {
  type: string;
  title?: string;
  url?: string;
  filename?: string;
  start_index?: number;
  end_index?: number;
}

export interface OutputItem {
  type: string;
  id?: string;
  call_id?: string;
  name?: string;
  server_label?: string;
  arguments?: string;
  output?: unknown;
  /** Under which names the tools of a model's maker say what went in and out. */
  input?: unknown;
  code?: unknown;
  action?: unknown;
  queries?: unknown;
  outputs?: unknown;
  results?: unknown;
  error?: unknown;
  status?: string;
  summary?: { type?: string; text?: string }[];
  content?: { type?: string; text?: string; refusal?: string; annotations?: Annotation[] }[];
}
