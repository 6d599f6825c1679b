// Command go makes the sample agent's trace in an experiment of the server that
// MLFLOW_TRACKING_URI names, and prints its id as JSON.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
	"github.com/thumbprint-ai/thumbprint/test/clients/sample"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, experimentID, clientRequestID string) error {
	client, err := mlflow.New()
	if err != nil {
		return err
	}
	tracing, err := mlflowtrace.New(ctx, client, mlflowtrace.Config{ExperimentID: experimentID})
	if err != nil {
		return err
	}
	id, err := sample.Answer(ctx, tracing, clientRequestID)
	if err != nil {
		return err
	}
	if err := tracing.Shutdown(ctx); err != nil {
		return err
	}
	_, err = fmt.Printf("%q\n", id)
	return err
}
