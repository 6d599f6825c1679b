package delivery_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// TestIDForm: the words of the search against servers that refuse some of them,
// as old ones do (scripted; what Databricks refuses was seen by others only).
func TestIDForm(t *testing.T) {
	refused := mlflowtest.Fail(400, "INVALID_PARAMETER_VALUE", "Invalid attribute key 'client_request_id' specified.")
	none := mlflowtest.OK(map[string]any{})
	for _, tc := range []struct {
		name    string
		answers []mlflowtest.Answer
		form    string
		own     bool
		fails   bool
	}{
		{"MLflow 3.6", []mlflowtest.Answer{none}, "attributes.client_request_id", true, false},
		{"one refused", []mlflowtest.Answer{refused, none}, "trace.client_request_id", true, false},
		{"only tags", []mlflowtest.Answer{refused, refused, none}, "tags.`client_request_id`", false, false},
		{"all refused", []mlflowtest.Answer{refused, refused, refused, refused}, "", false, true},
		{"not allowed", []mlflowtest.Answer{mlflowtest.PermissionDenied()}, "attributes.client_request_id", true, true},
	} {
		s := mlflowtest.NewServer(t).On("POST", "/api/3.0/mlflow/traces/search", tc.answers...)
		form, own, err := delivery.IDForm(t.Context(), s.Client(), "7")
		if form != tc.form || own != tc.own || (err != nil) != tc.fails {
			t.Errorf("%s: %q, %v, %v", tc.name, form, own, err)
		}
		if got := len(s.Requests()); got != len(tc.answers) {
			t.Errorf("%s: %d searches, want %d", tc.name, got, len(tc.answers))
		}
		var sent struct{ Filter string }
		if err := json.Unmarshal(s.Requests()[0].Body, &sent); err != nil || !strings.HasPrefix(sent.Filter, "attributes.client_request_id = 'req-") {
			t.Errorf("%s: %+v, %v", tc.name, sent, err)
		}
	}
}
