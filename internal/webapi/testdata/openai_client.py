"""OpenAI's own client against Thumbprint: openai_client.py BASE_URL API_KEY BASE_URL_OF_AN_SDK_AGENT.

Prints one JSON object with what a caller sees; the Go test judges it.
"""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2], timeout=20)
question = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "weather in Paris"}]
seen = {"models": [m.id for m in client.models.list()]}

whole = client.chat.completions.with_raw_response.create(model="demo", messages=question)
seen["chat_id"] = whole.headers["x-client-request-id"]
answer = whole.parse()
seen["chat"] = answer.choices[0].message.content
seen["chat_finish"] = answer.choices[0].finish_reason
seen["chat_tokens"] = answer.usage.total_tokens

stream = client.chat.completions.with_raw_response.create(
    model="demo", messages=question, stream=True, stream_options={"include_usage": True})
seen["chat_stream_id"] = stream.headers["x-client-request-id"]
text, usage, finish = "", None, None
for chunk in stream.parse():
    for choice in chunk.choices:
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
    usage = chunk.usage or usage
seen["chat_stream"], seen["chat_stream_finish"], seen["chat_stream_tokens"] = text, finish, usage.total_tokens

whole = client.responses.with_raw_response.create(model="demo", input="weather in Paris", instructions="Be brief.")
seen["response_id"] = whole.headers["x-client-request-id"]
response = whole.parse()
seen["response"], seen["response_status"] = response.output_text, response.status
seen["response_items"] = [item.type for item in response.output]

with client.responses.stream(model="demo", input=question[1:], previous_response_id=response.id) as stream:
    seen["stream_events"] = [event.type for event in stream]
    final = stream.get_final_response()
seen["stream"], seen["stream_previous"] = final.output_text, final.previous_response_id == response.id

# An agent of OpenAI's Agents SDK, which gives all items one id; then its answer sent back, and its question approved.
sdk = openai.OpenAI(base_url=sys.argv[3] + "/v1", api_key=sys.argv[2], timeout=20)
with sdk.responses.stream(model="fast", input="hello") as stream:
    seen["sdk_deltas"] = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    final = stream.get_final_response()
seen["sdk"], seen["sdk_items"] = final.output_text, [item.type for item in final.output]
seen["sdk_ids"] = len({item.id for item in final.output if getattr(item, "id", None)})
seen["sdk_notes"] = [note.url for item in final.output if item.type == "message" for note in item.content[0].annotations]
history = [{"role": "user", "content": "hello"}] + [item.to_dict() for item in final.output]
asked = sdk.responses.create(model="fast", input=history + [{"role": "user", "content": "approve"}])
answer = {"type": "mcp_approval_response", "approval_request_id": asked.output[-1].id, "approve": True}
seen["sdk_approved"] = sdk.responses.create(model="fast", previous_response_id=asked.id, input=[answer]).output_text

# An answer that ran into its limit is no error: each API has its own words for it.
cut = sdk.responses.create(model="fast", input="cut")
ends = [event.type for event in sdk.responses.create(model="fast", input="cut", stream=True)]
chosen = sdk.chat.completions.create(model="fast", messages=[{"role": "user", "content": "cut"}]).choices[0]
seen["sdk_cut"] = [cut.output_text, cut.status, cut.incomplete_details.reason, ends[-1], chosen.message.content, chosen.finish_reason]


def failure(call):
    try:
        call()
    except openai.APIError as e:
        return {"class": type(e).__name__, "code": e.code, "message": str(e)}
    return "no failure"


def drained(prompt):
    for _ in client.chat.completions.create(model="demo", messages=[{"role": "user", "content": prompt}], stream=True):
        pass


seen["unknown_model"] = failure(lambda: client.chat.completions.create(model="nobody", messages=question))
seen["no_messages"] = failure(lambda: client.chat.completions.create(model="demo", messages=[]))
seen["wrong_key"] = failure(lambda: openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="sk-wrong").models.list())
seen["fails"] = failure(lambda: client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "fail"}]))
seen["fails_late"] = failure(lambda: drained("fail late"))
print(json.dumps(seen))
