// Package tracecopy copies what the embedded trace store holds to a real MLflow
// server: experiments by name, traces under their own ids, with spans, tags,
// metadata and assessments.
//
// Its invariant: a copy can be cut off anywhere and started again. Each trace is
// looked up at the target first and sent only when something of it is missing,
// spans before the trace's own record and assessments last, so that a trace that
// looks whole is whole. The source is never changed, and nothing is deleted at
// the target.
//
// It does not copy runs, issues, links to runs or prompts, nor deleted
// experiments.
package tracecopy
