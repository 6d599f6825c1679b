// Command thumbprint serves a chat page whose every answer can be rated, and
// sees to it that each rating reaches its answer's trace in MLflow.
package main

import (
	"context"
	"os"

	"github.com/thumbprint-ai/thumbprint/internal/app"
)

func main() {
	os.Exit(app.Main(context.Background(), os.Args, os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}
