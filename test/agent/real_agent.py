#!/usr/bin/env python3
"""A real MLflow agent for tests: MLflow's own AgentServer, with rules instead of a model.

The HTTP, the event framing, the error event and the traces are MLflow's; only
the answers are made up here, so no key, no network and no model is needed.
The id that Thumbprint minted is read from custom_inputs.client_request_id or
from the header X-Client-Request-Id and put on the trace, in one line, the way
docs/agents.md asks every agent to.

    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 \
    python real_agent.py --format responses --port 8001 --experiment-id 1

Words in the last user message choose what happens:
    weather in <city>   a tool call, its output, then the answer
    cite                an answer with two citations, found by a retriever span
    slow                one word every 200 ms
    empty               no output at all
    fail early          an exception before the first event
    fail late           an exception after some text
    anything else       an echo
"""

import argparse
import asyncio
import json
import re
import time
import uuid

import mlflow
import uvicorn
from mlflow.entities import SpanType
from mlflow.genai.agent_server import AgentServer, get_request_headers, invoke, stream
from mlflow.genai.agent_server.validator import BaseAgentValidator

SOURCES = [
    {"title": "Tracing", "url": "https://example.com/docs/tracing"},
    {"title": "Feedback", "url": "https://example.com/docs/feedback?a=1&b=2"},
]


# --- what the agent does, whatever the wire format -------------------------


async def steps(prompt):
    """Yield ("call"|"result"|"text"|"cite", value) for one prompt."""
    words = prompt.lower()
    if "fail early" in words:
        raise RuntimeError("rule: failed before the first event")
    if "empty" in words:
        return
    city = re.search(r"weather in ([\w' -]+)", prompt, re.I)
    text = f"You said: {prompt}"
    if city:
        name = city.group(1).strip()
        async for step in weather(name):
            yield step
        text = f"It is 18 °C and clear in {name}."
    if "cite" in words:
        with mlflow.start_span(name="search_docs", span_type=SpanType.RETRIEVER) as span:
            span.set_inputs({"query": prompt})
            span.set_outputs([{"page_content": s["title"], "metadata": s} for s in SOURCES])
        text = "Traces record each run, and feedback is attached to them."
    async for part in speak(prompt, text, 0.2 if "slow" in words else 0.005, "fail late" in words):
        yield "text", part
    if "cite" in words:
        for source in SOURCES:
            yield "cite", source


async def weather(city):
    call = {"call_id": f"call_{uuid.uuid4().hex[:12]}", "name": "get_weather", "arguments": {"city": city}}
    with mlflow.start_span(name="get_weather", span_type=SpanType.TOOL) as span:
        span.set_inputs(call["arguments"])
        yield "call", call
        result = {"city": city, "temp": 18, "sky": "clear"}
        span.set_outputs(result)
    yield "result", {"call_id": call["call_id"], "name": "get_weather", "output": result}


async def speak(prompt, text, pause, fails):
    with mlflow.start_span(name="rules", span_type=SpanType.CHAT_MODEL) as span:
        span.set_inputs({"messages": [{"role": "user", "content": prompt}]})
        for i, part in enumerate(re.findall(r"\s*\S+\s*", text)):
            if fails and i == 2:
                raise RuntimeError("rule: failed after some text")
            yield part
            await asyncio.sleep(pause)
        tokens = {"input_tokens": len(prompt) // 4 + 1, "output_tokens": len(text) // 4 + 1}
        span.set_attribute("mlflow.chat.tokenUsage", {**tokens, "total_tokens": sum(tokens.values())})
        span.set_outputs({"content": text})


def name_trace(body, user=None, session=None):
    """Put the caller's id on the current trace: the line every agent needs."""
    told = (body.get("custom_inputs") or {}).get("client_request_id") or get_request_headers().get("x-client-request-id")
    known = {"client_request_id": told, "user": user, "session_id": session}
    if mlflow.get_current_active_span():
        mlflow.update_current_trace(**{k: v for k, v in known.items() if v})


def last_user_text(messages):
    content = next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), "")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


# --- responses ---------------------------------------------------------------


async def responses_events(request):
    body = request.model_dump()
    context = body.get("context") or {}
    name_trace(body, context.get("user_id"), context.get("conversation_id"))
    message, text, notes = f"msg_{uuid.uuid4()}", "", []
    async for kind, value in steps(last_user_text(body["input"])):
        if kind == "call":
            yield item({"type": "function_call", "id": f"fc_{uuid.uuid4()}", **value,
                        "arguments": json.dumps(value["arguments"])})
        elif kind == "result":
            yield item({"type": "function_call_output", "call_id": value["call_id"],
                        "output": json.dumps(value["output"])})
        elif kind == "text":
            text += value
            yield {"type": "response.output_text.delta", "item_id": message, "delta": value}
        elif kind == "cite":
            note = {"type": "url_citation", **value, "start_index": 0, "end_index": len(text)}
            yield {"type": "response.output_text.annotation.added", "item_id": message,
                   "annotation_index": len(notes), "annotation": note}
            notes.append(note)
    if text:
        yield item({"type": "message", "id": message, "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": text, "annotations": notes}]})


def item(value):
    return {"type": "response.output_item.done", "item": value}


async def responses_answer(request):
    return {"output": [e["item"] async for e in responses_events(request) if "item" in e]}


# --- chat_agent --------------------------------------------------------------


async def chat_agent_chunks(body):
    context = body.get("context") or {}
    name_trace(body, context.get("user_id"), context.get("conversation_id"))
    message = str(uuid.uuid4())
    async for kind, value in steps(last_user_text(body["messages"])):
        if kind == "call":
            call = {"id": value["call_id"], "type": "function",
                    "function": {"name": value["name"], "arguments": json.dumps(value["arguments"])}}
            yield {"delta": {"role": "assistant", "content": "", "id": str(uuid.uuid4()), "tool_calls": [call]}}
        elif kind == "result":
            yield {"delta": {"role": "tool", "id": str(uuid.uuid4()), "name": value["name"],
                             "tool_call_id": value["call_id"], "content": json.dumps(value["output"])}}
        elif kind == "text":
            yield {"delta": {"role": "assistant", "id": message, "content": value}}


async def chat_agent_answer(body):
    text = "".join([c["delta"]["content"] async for c in chat_agent_chunks(body) if c["delta"]["role"] == "assistant"])
    return {"messages": [{"role": "assistant", "id": str(uuid.uuid4()), "content": text}]}


# --- chat_completions ----------------------------------------------------------


async def completion_chunks(body):
    name_trace(body, body.get("user"))
    base = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk",
            "created": int(time.time()), "model": body.get("model") or "rules"}

    def chunk(delta, finish=None):
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    count = 0
    async for kind, value in steps(last_user_text(body["messages"])):
        if kind == "call":
            function = {"name": value["name"], "arguments": json.dumps(value["arguments"])}
            yield chunk({"tool_calls": [{"index": 0, "id": value["call_id"], "type": "function", "function": function}]})
        elif kind == "text":
            count += 1
            yield chunk({"content": value})
    yield chunk({}, "stop")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**base, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": count, "total_tokens": 5 + count}}


async def completion_answer(body):
    text = "".join([c["choices"][0]["delta"].get("content") or "" async for c in completion_chunks(body) if c["choices"]])
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time()),
            "model": "rules", "choices": [{"index": 0, "finish_reason": "stop",
                                           "message": {"role": "assistant", "content": text}}]}


# --- the server ------------------------------------------------------------------


class MessagesValidator(BaseAgentValidator):
    """The two chat formats only need their list of messages to be there."""

    def validate_and_convert_request(self, data):
        if not isinstance(data.get("messages"), list) or not data["messages"]:
            raise ValueError("'messages' must be a non-empty list")
        return data


FORMATS = {
    "responses": (responses_answer, responses_events),
    "chat_agent": (chat_agent_answer, chat_agent_chunks),
    "chat_completions": (completion_answer, completion_chunks),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--format", choices=sorted(FORMATS), default="responses")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--experiment-id", help="where its traces go; without it, it records none")
    args = parser.parse_args()
    if args.experiment_id:
        mlflow.set_experiment(experiment_id=args.experiment_id)
    else:
        mlflow.tracing.disable()
    answer, events = FORMATS[args.format]
    invoke()(answer)
    stream()(events)
    server = AgentServer("ResponsesAgent" if args.format == "responses" else None)
    if args.format != "responses":
        server.validator = MessagesValidator()
    uvicorn.run(server.app, host="127.0.0.1", port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
