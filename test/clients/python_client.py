"""Read one trace that Go made and make another one with MLflow's own Python
client, on each of several servers; print, as a JSON array, what was seen.

usage: python_client.py (TRACKING_URI EXPERIMENT_ID TRACE_ID CLIENT_REQUEST_ID)...

One process for all, because importing mlflow is what takes the time.
"""

import json
import sys

import mlflow
from mlflow.entities import Link, SpanEvent

QUESTION = {"messages": [{"role": "user", "content": "What is 6 × 7?"}]}
REPLY = {"choices": [{"message": {"role": "assistant", "content": "42"}}]}


def span_view(span):
    return {
        "name": span.name,
        "id": span.span_id,
        "parent": span.parent_id,
        "type": span.span_type,
        "status": span.status.status_code.value,
        "message": span.status.description,
        "inputs": span.inputs,
        "outputs": span.outputs,
        "usage": span.get_attribute("mlflow.chat.tokenUsage"),
        "custom": span.get_attribute("custom"),
        "events": [{"name": e.name, "attributes": e.attributes} for e in span.events],
    }


def read(experiment_id, trace_id, client_request_id):
    trace = mlflow.get_trace(trace_id)
    # With spans, as a pandas frame: what a notebook does, and what drops traces
    # that are not complete.
    frame = mlflow.search_traces(
        locations=[experiment_id],
        filter_string=f"attributes.client_request_id = '{client_request_id}'",
    )
    info = trace.info
    return {
        "client_request_id": info.client_request_id,
        "experiment_id": info.experiment_id,
        "state": info.state.value,
        "request_time": info.request_time,
        "execution_duration": info.execution_duration,
        "request_preview": info.request_preview,
        "response_preview": info.response_preview,
        "token_usage": info.token_usage,
        "session": info.trace_metadata.get("mlflow.trace.session"),
        "user": info.trace_metadata.get("mlflow.trace.user"),
        "schema": info.trace_metadata.get("mlflow.trace_schema.version"),
        "name": info.tags.get("mlflow.traceName"),
        "tag": info.tags.get("team"),
        "spans": [span_view(s) for s in trace.data.spans],
        "searched": list(frame["trace_id"]),
    }


@mlflow.trace(name="search_docs", span_type="TOOL")
def search(query, limit):
    return [{"score": 0.9, "title": "Answers"}]


def make(experiment_id):
    """Do what Answer does in sample/sample.go."""
    mlflow.set_experiment(experiment_id=experiment_id)
    with mlflow.start_span("support_agent", span_type="AGENT") as root:
        root.set_inputs(QUESTION)
        mlflow.update_current_trace(
            client_request_id="req-python",
            session_id="conv-1",
            user="alice@example.com",
            tags={"team": "red"},
            metadata={"version": "1.2"},
            request_preview="What is 6 × 7?",
            response_preview="42",
        )
        search(query="6 × 7", limit=3)
        with mlflow.start_span("model", span_type="CHAT_MODEL") as span:
            span.set_inputs(QUESTION)
            span.set_attribute("mlflow.llm.model", "gpt-x")
            span.set_attribute(
                "mlflow.chat.tokenUsage",
                {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
            )
            span.set_attribute("temperature", 0.2)
            span.add_link(Link("tr-" + "1".zfill(32), "2".zfill(16), {"why": "retry"}))
            span.add_event(SpanEvent("first_token", attributes={"n": 1}))
            span.set_outputs(REPLY)
        try:
            with mlflow.start_span("broken", span_type="PARSER") as span:
                span.set_inputs("42")
                raise ValueError("no number")
        except ValueError:
            pass
        root.set_outputs(REPLY)
    mlflow.flush_trace_async_logging()
    return root.trace_id


def main(args):
    seen = []
    while args:
        (uri, experiment_id, trace_id, client_request_id), args = args[:4], args[4:]
        mlflow.set_tracking_uri(uri)
        seen.append(
            {
                "read": read(experiment_id, trace_id, client_request_id),
                "made": make(experiment_id),
            }
        )
    print(json.dumps(seen))


main(sys.argv[1:])
