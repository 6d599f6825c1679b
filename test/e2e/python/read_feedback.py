"""read_feedback.py EXPERIMENT_ID CLIENT_REQUEST_ID: the traces with that id as the real MLflow client sees them, as JSON."""

import json
import sys

import mlflow


def main(experiment, client_request_id):
    traces = mlflow.search_traces(
        locations=[experiment],
        filter_string=f"trace.client_request_id = '{client_request_id}'",
        return_type="list",
    )
    json.dump([describe(trace) for trace in traces], sys.stdout)


def describe(trace):
    info = trace.info
    return {
        "trace_id": info.trace_id,
        "client_request_id": info.client_request_id,
        "state": str(info.state),
        "metadata": info.trace_metadata,
        "tags": info.tags,
        "request": info.request_preview,
        "response": info.response_preview,
        "tokens": info.token_usage,
        "spans": [{"name": span.name, "type": span.span_type, "outputs": span.outputs} for span in trace.data.spans],
        "assessments": [
            {
                "id": a.assessment_id,
                "name": a.name,
                "value": a.value,
                "source_type": a.source.source_type,
                "source_id": a.source.source_id,
                "rationale": a.rationale,
                "metadata": a.metadata,
            }
            for a in info.assessments
        ],
    }


main(*sys.argv[1:])
