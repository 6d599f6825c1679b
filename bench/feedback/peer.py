"""What one writes without Thumbprint: FastAPI and MLflow's Python client.

POST /log_assessment looks the trace up by client_request_id and logs the
feedback, then answers. PEER_TUNED=1 does not fetch the spans with the search,
which is the one thing an attentive author would change.
"""

import os

import mlflow
from fastapi import FastAPI, HTTPException
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, AssessmentSourceType
from pydantic import BaseModel

EXPERIMENT = os.environ["PEER_EXPERIMENT"]
SEARCH = {"include_spans": False} if os.environ.get("PEER_TUNED") == "1" else {}
app = FastAPI()
client = MlflowClient()


class Assessment(BaseModel):
    trace_id: str
    assessment_name: str
    assessment_value: bool
    source_id: str = "anonymous"
    rationale: str | None = None


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.post("/log_assessment")
def log_assessment(a: Assessment):  # a plain def runs in FastAPI's pool of 40 threads
    traces = client.search_traces(
        experiment_ids=[EXPERIMENT],
        filter_string=f"attributes.client_request_id = '{a.trace_id}'",
        max_results=1,
        **SEARCH,
    )
    if not traces:
        raise HTTPException(404, "Trace not found for feedback")
    source = AssessmentSource(source_type=AssessmentSourceType.HUMAN, source_id=a.source_id)
    logged = mlflow.log_feedback(
        trace_id=traces[0].info.trace_id,
        name=a.assessment_name,
        value=a.assessment_value,
        rationale=a.rationale,
        source=source,
    )
    return {"status": "success", "assessment_id": logged.assessment_id}
