// Reading an event stream the way a browser would, written apart from the product's own reader.

/** Yields {data, json, id, comment} for each event; a comment line is an event with `comment` only. */
export async function* eventStream(body) {
  const decoder = new TextDecoder();
  let rest = '';
  let event = { data: [] };
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (event.data.length > 0) yield finished(event);
        event = { data: [] };
      } else if (line.startsWith(':')) {
        yield { comment: line.slice(1).trim() };
      } else if (line.startsWith('data:')) {
        event.data.push(line.slice(5).replace(/^ /, ''));
      } else if (line.startsWith('id:')) {
        event.id = line.slice(3).trim();
      }
    }
  }
  if (rest !== '' || event.data.length > 0) throw new Error(`the stream ended inside an event: ${JSON.stringify(rest || event.data)}`);
}

function finished({ data, id }) {
  const text = data.join('\n');
  return { data: text, json: text === '[DONE]' ? undefined : JSON.parse(text), id };
}
