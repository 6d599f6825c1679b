"""The stock mlflow client against a server that claims to speak its language.

Usage: client.py URL. Exits 0 when everything a rating needs works: an
experiment, a traced call with a client_request_id, search, feedback with its
changes, and reading it all back.
"""

import logging
import os
import sys
import uuid

URL = sys.argv[1]
os.environ["MLFLOW_TRACKING_URI"] = URL
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import AssessmentSource, Feedback, SpanType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402


class Warnings(logging.Handler):
    """A failing export in the background only logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


WARNINGS = Warnings()
logging.getLogger("mlflow").addHandler(WARNINGS)


def equal(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def refused(code, call):
    try:
        call()
    except MlflowException as e:
        equal("error_code", e.error_code, code)
        return
    raise AssertionError(f"no {code}")


experiment = mlflow.set_experiment("client-test")
equal("set_experiment again", mlflow.set_experiment("client-test").experiment_id, experiment.experiment_id)
equal("the default experiment", MlflowClient().get_experiment("0").name, "Default")

request_id = f"req-{uuid.uuid4().hex[:16]}"


@mlflow.trace(name="look up", span_type=SpanType.RETRIEVER)
def look_up(question):
    return [{"page_content": "42", "metadata": {"doc_uri": "a.md"}}]


@mlflow.trace(name="agent", span_type=SpanType.AGENT)
def agent(question):
    mlflow.update_current_trace(
        client_request_id=request_id,
        tags={"env": "test"},
        metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "u-1"},
    )
    look_up(question)
    with mlflow.start_span(name="llm", span_type=SpanType.CHAT_MODEL) as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": "42 é世"}}]})
    return "42 é世"


agent("What is the answer?")
mlflow.flush_trace_async_logging()
equal("warnings of the client", WARNINGS.lines, [])

(found,) = mlflow.search_traces(filter_string=f"attributes.client_request_id = '{request_id}'", return_type="list")
trace_id = found.info.trace_id
equal("state", found.info.state.value, "OK")
equal("session", found.info.trace_metadata["mlflow.trace.session"], "s-1")
equal("tag", found.info.tags["env"], "test")
equal("token usage", found.info.token_usage, {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})
equal("spans of the search", sorted(s.name for s in found.data.spans), ["agent", "llm", "look up"])
frame = mlflow.search_traces(filter_string=f"attributes.client_request_id = '{request_id}'")
equal("rows", len(frame), 1)

human = AssessmentSource(source_type="HUMAN", source_id="ada@example.com")
logged = mlflow.log_feedback(
    trace_id=trace_id, name="user_feedback", value=True, source=human, rationale="très bien", metadata={"reasons": "clear"}
)
trace = mlflow.get_trace(trace_id)
(feedback,) = trace.search_assessments("user_feedback")
equal("value", feedback.value, True)
equal("source", (feedback.source.source_type, feedback.source.source_id), ("HUMAN", "ada@example.com"))
equal("rationale", feedback.rationale, "très bien")
equal("metadata", feedback.metadata, {"reasons": "clear"})
root = next(s for s in trace.data.spans if s.parent_id is None)
equal("inputs", root.inputs, {"question": "What is the answer?"})
equal("outputs", root.outputs, "42 é世")

mlflow.update_assessment(trace_id=trace_id, assessment_id=logged.assessment_id, assessment=Feedback(name="user_feedback", value=False))
equal("changed", mlflow.get_assessment(trace_id, logged.assessment_id).value, False)
equal(
    "search by feedback",
    [t.info.trace_id for t in mlflow.search_traces(filter_string="feedback.user_feedback = 'false'", return_type="list")],
    [trace_id],
)
mlflow.delete_assessment(trace_id, logged.assessment_id)
refused("RESOURCE_DOES_NOT_EXIST", lambda: mlflow.get_assessment(trace_id, logged.assessment_id))

mlflow.set_trace_tag(trace_id, "review", "done")
equal("tag", mlflow.get_trace(trace_id).info.tags["review"], "done")
equal("deleted", MlflowClient().delete_traces(experiment_id=experiment.experiment_id, trace_ids=[trace_id]), 1)
equal("gone", mlflow.get_trace(trace_id), None)
refused("INVALID_PARAMETER_VALUE", lambda: mlflow.search_traces(filter_string="nonsense = 'x'"))
equal("warnings of the client at the end", [w for w in WARNINGS.lines if "not found" not in w.lower()], [])
print(f"mlflow {mlflow.__version__}: everything as it should be")
sys.stdout.flush()
os._exit(0)
