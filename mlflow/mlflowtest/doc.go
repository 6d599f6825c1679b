// Package mlflowtest helps to test programs that use package mlflow: a Server
// that gives scripted answers and keeps the requests, answers in every shape that
// MLflow fails in, and a reader for exchanges recorded from a real server.
//
// A Server is no imitation of MLflow: it knows nothing but its script, and a
// request that the script does not expect fails the test. What a program does
// against MLflow itself is tested with Real.
package mlflowtest
