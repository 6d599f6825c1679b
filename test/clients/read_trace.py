"""Print, as one JSON object, what MLflow's own Python client sees of a trace.

usage: read_trace.py TRACKING_URI EXPERIMENT_ID TRACE_ID CLIENT_REQUEST_ID
"""

import json
import sys

import mlflow


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


def main(uri, experiment_id, trace_id, client_request_id):
    mlflow.set_tracking_uri(uri)
    trace = mlflow.get_trace(trace_id)
    # With spans, as a pandas frame: what a notebook does, and what drops traces
    # that are not complete.
    frame = mlflow.search_traces(
        locations=[experiment_id],
        filter_string=f"attributes.client_request_id = '{client_request_id}'",
    )
    info = trace.info
    print(
        json.dumps(
            {
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
        )
    )


main(*sys.argv[1:])
