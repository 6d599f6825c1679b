package app

import (
	"strings"
	"testing"
)

// TestOpenAIsPathsAndOTLPsShareAPrefix: what is not under /v1/ is said in OpenAI's
// words, and MLflow's own path there is MLflow's.
func TestOpenAIsPathsAndOTLPsShareAPrefix(t *testing.T) {
	s := start(t, "")
	for _, tc := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/models/demo", "", 200, `"object":"model"`},
		{"POST", "/v1/embeddings", "{}", 404, `{"error":{"message":`},
		{"PUT", "/v1/models", "{}", 405, `{"error":{"message":`},
		{"POST", "/v1/traces", "{}", 422, "x-mlflow-experiment-id"},
	} {
		status, _, body := call(t, s, tc.method, tc.path, tc.body)
		if status != tc.status || !strings.Contains(body, tc.says) || tc.path == "/v1/traces" && strings.Contains(body, `"error":{`) {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, status, body)
		}
	}
}
