// Package filter reads the filter and ordering language of MLflow's search
// calls: clauses of the form "identifier operator value", joined by AND.
//
// It turns a text into checked clauses, and a clause's comparison into a piece
// of SQL with arguments. Its one invariant: no character of a user's text ever
// becomes part of an SQL text; keys and values travel as arguments, operators
// come from a fixed table.
//
// It knows the language (which keys exist, which operators they take, MLflow's
// own words for what is wrong) and the two SQL dialects. It does not know
// tables: whoever owns them maps each clause to a condition. It opens no
// database. Errors are of kind errs.Invalid and meant for the caller's eyes.
package filter
