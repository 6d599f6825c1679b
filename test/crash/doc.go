// Package crash kills the real server in a loop while it takes ratings, and
// compares what it acknowledged with what is in its store and in its MLflow.
//
// The ledger is kept here, outside the process that dies: a 2xx is written down
// as a promise, anything else as unknown. It has no product code.
package crash
