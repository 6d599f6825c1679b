package mlflow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// exampleServer stands for an MLflow server, so that the examples run anywhere.
func exampleServer() *httptest.Server {
	const trace = `{"trace_id":"tr-7406a0be18390a09e5b53e6b782b3f28","client_request_id":"req-1","state":"OK","request_preview":"What is the answer?"}`
	answers := map[string]string{
		"/api/3.0/mlflow/traces/search":                                          `{"traces":[` + trace + `]}`,
		"/api/3.0/mlflow/traces/tr-7406a0be18390a09e5b53e6b782b3f28/assessments": `{"assessment":{"assessment_id":"a-1","assessment_name":"user_feedback","feedback":{"value":true},"source":{"source_type":"HUMAN","source_id":"alice"}}}`,
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Trace not found."}`
		}
		_, _ = w.Write([]byte(body))
	}))
}

// A person rates an answer: find its trace by the name it was given, and put the
// rating on it. Doing it twice leaves one rating.
func Example() {
	server := exampleServer()
	defer server.Close()
	client, err := mlflow.New(mlflow.WithTrackingURI(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	// MLflow's Python client exports a trace up to 5 s after its end.
	trace, err := client.WaitByClientRequestID(ctx, "req-1", mlflow.FindOptions{
		ExperimentIDs: []string{"1"},
		Since:         time.Now().Add(-24 * time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	a, err := client.LogFeedback(ctx, trace.TraceID, mlflow.Feedback{
		Name:   "user_feedback",
		Value:  true,
		Source: mlflow.Source{Type: mlflow.SourceHuman, ID: "alice"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.Name, a.Value, "by", a.Source.ID)
	// Output: user_feedback true by alice
}

func ExampleClient_SearchTraces() {
	server := exampleServer()
	defer server.Close()
	client, err := mlflow.New(mlflow.WithTrackingURI(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	user, err := mlflow.Quote("alice@example.com")
	if err != nil {
		log.Fatal(err)
	}
	for trace, err := range client.SearchTraces(context.Background(), mlflow.SearchTraces{
		ExperimentIDs: []string{"1"},
		Filter:        "metadata.`mlflow.trace.user` = " + user,
		MaxResults:    10,
	}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(trace.State, trace.RequestPreview)
	}
	// Output: OK What is the answer?
}

func ExampleClient_TraceInfo_notFound() {
	server := exampleServer()
	defer server.Close()
	client, err := mlflow.New(mlflow.WithTrackingURI(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.TraceInfo(context.Background(), "tr-missing")
	fmt.Println(errors.Is(err, mlflow.ErrNotFound))
	fmt.Println(err)
	// Output:
	// true
	// mlflow: GET /api/3.0/mlflow/traces/tr-missing: status 404 RESOURCE_DOES_NOT_EXIST: Trace not found.
}

// A judge puts a number on a trace, and a person what the answer should have been.
func ExampleClient_LogFeedback() {
	server := exampleServer()
	defer server.Close()
	client, err := mlflow.New(mlflow.WithTrackingURI(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	const traceID = "tr-7406a0be18390a09e5b53e6b782b3f28"
	judge := mlflow.Feedback{
		Name: "relevance", Value: 0.9, Rationale: "It says what was asked.",
		Source:   mlflow.Source{Type: mlflow.SourceLLMJudge, ID: "judge-1"},
		Metadata: map[string]string{"prompt": "v3"},
	}
	for range 2 { // once more, as after a lost answer: still one assessment
		if _, err := client.LogFeedback(context.Background(), traceID, judge); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := client.LogExpectation(context.Background(), traceID, mlflow.Expectation{Name: "answer", Value: "42"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("noted")
	// Output: noted
}
