// Package archtest keeps the rooms of the house apart: its test reads the
// import graph with `go list` and holds it against a table of rules, each with
// the reason it exists.
//
// The invariant is one direction: words and tools ◄ features ◄ engines ◄
// transports ◄ app ◄ cmd. A package without a room, an edge against the
// direction, and a library where it does not belong are all failures, so that
// a new dependency is always a decision somebody wrote down in the table. Nor may
// anybody but package mlflow write down an address of MLflow's API.
//
// It looks at what ships, not at tests: a test may reach across rooms to drive
// the real thing. It has no opinion on names, sizes or style.
package archtest
