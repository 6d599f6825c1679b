"""The life of a trace with the unmodified MLflow client, against whatever MLFLOW_TRACKING_URI names.

Prints what the client read back, as JSON: the test compares it with what was written.
"""

import json
import sys

import mlflow
from mlflow.entities import AssessmentSource, AssessmentSourceType


@mlflow.trace(name="answer")
def answer(question, client_request_id):
    mlflow.update_current_trace(client_request_id=client_request_id, session_id="session-1", user="ada")
    with mlflow.start_span(name="look_up", span_type="RETRIEVER") as span:
        span.set_inputs({"query": question})
        span.set_outputs([{"page_content": "42"}])
    return "42"


def main(client_request_id):
    experiment = mlflow.set_experiment("python-client")
    answer("What is the answer?", client_request_id)
    mlflow.flush_trace_async_logging()
    found = mlflow.search_traces(
        locations=[experiment.experiment_id],
        filter_string=f"trace.client_request_id = '{client_request_id}'",
        return_type="list",
    )
    trace_id = found[0].info.trace_id
    mlflow.log_feedback(
        trace_id=trace_id,
        name="user_feedback",
        value=True,
        rationale="exactly",
        source=AssessmentSource(source_type=AssessmentSourceType.HUMAN, source_id="ada"),
    )
    trace = mlflow.get_trace(trace_id)
    json.dump(
        {
            "found": len(found),
            "client_request_id": trace.info.client_request_id,
            "session": trace.info.trace_metadata.get("mlflow.trace.session"),
            "response": trace.info.response_preview,
            "spans": [[span.name, span.span_type] for span in trace.data.spans],
            "assessments": [[a.name, a.value, a.source.source_type, a.source.source_id, a.rationale] for a in trace.info.assessments],
        },
        sys.stdout,
    )


main(*sys.argv[1:])
