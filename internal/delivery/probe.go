package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// IDForm returns in which words MLflow lets us search an experiment for a
// client_request_id, and whether they are the trace's own field: where they are
// not, an agent's trace is found only by a tag or metadata of that name.
func IDForm(ctx context.Context, client *mlflow.Client, experimentID string) (form string, own bool, err error) {
	for i, form := range idForms {
		err = nil
		for _, err = range client.SearchTraces(ctx, mlflow.SearchTraces{
			ExperimentIDs: []string{experimentID}, MaxResults: 1, Filter: fmt.Sprintf("%s = 'req-0000000000000000'", form),
		}) {
			if err != nil {
				break
			}
		}
		if !errors.Is(err, mlflow.ErrInvalid) {
			return form, i < attributeForms, err
		}
	}
	return "", false, err
}
